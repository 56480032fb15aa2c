"""The search among 1,000,000 messages of 20,000 people (`BENCH_MESSAGES`), on both databases.

Messages have 4 to 16 words of a vocabulary of 30,000, chosen as often as words are (Zipf). Most people have a few direct chats;
one has 500 chats, 50 of them groups of 20, with about 7 % of all messages. Requests come one after the other through HTTP, as one
application asks. Both databases are filled at the same time, each by a process of its own, and indexed without pauses in larger
steps than beside a server; PostgreSQL's GIN index is made at the end, as by REINDEX.

`BENCH_DATA` (a folder) and `BENCH_DATABASE_URL` (an empty database) keep what was made for the next run, `BENCH_DATABASES` names
one of the two, and `BENCH_ASKED=0` makes the data and measures nothing. Beside the times stands the CPU of one request, the
server's and PostgreSQL's.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import msgspec

from bench import lab
from bench.chats import Place, databases, set_counters
from dating.clock import HOUR
from dating.database import Database, Transaction, connect
from dating.search import indexing
from dating.search.index_queries import find_due, take_lease
from dating.settings import Settings

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "1000000"))
FOLDER = os.environ.get("BENCH_DATA")
URL = os.environ.get("BENCH_DATABASE_URL")
CHOSEN = os.environ.get("BENCH_DATABASES", "sqlite postgres").split()
ASKED = int(os.environ.get("BENCH_ASKED", "200"))  # questions of a kind
PEOPLE = 20_000
CHATS, GROUPS, GROUP_SIZE = 500, 50, 20
SAID = 36  # messages of a direct chat
SAID_IN_GROUPS = MESSAGES // 20 // GROUPS
CHUNK = 10_000
STEP = 5_000  # messages indexed at once
SEED = 5

GIVEN = "given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:rows AS TEXT)))"
ADD_USERS = f"""
INSERT INTO users (id, username, username_key, password, created_at)
WITH {GIVEN} SELECT CAST(v ->> 0 AS BIGINT), v ->> 1, v ->> 1, '', 1 FROM given
"""
ADD_PROFILES = f"""
INSERT INTO profiles (user_id, name, near_lane, area_lane, region_lane, last_active, recency)
WITH {GIVEN} SELECT CAST(v ->> 0 AS BIGINT), v ->> 2, 8, 8, 8, 1, 1 FROM given
"""
ADD_CHATS = f"""
INSERT INTO chats (id, name, low_id, high_id, kind, message_count, last_at, created_at)
WITH {GIVEN} SELECT CAST(v ->> 0 AS BIGINT), v ->> 1, CAST(v ->> 2 AS BIGINT), CAST(v ->> 3 AS BIGINT),
       CASE WHEN v ->> 1 IS NULL THEN 'direct' ELSE 'group' END, CAST(v ->> 4 AS BIGINT), CAST(v ->> 5 AS BIGINT), 0 FROM given
"""
ADD_MEMBERS = f"""
INSERT INTO members (chat_id, user_id, read_id, read_count, joined_at)
WITH {GIVEN} SELECT CAST(v ->> 0 AS BIGINT), CAST(v ->> 1 AS BIGINT), 0, 0, 0 FROM given
"""
ADD_MESSAGES = f"""
INSERT INTO messages (id, chat_id, sender_id, content, created_at)
WITH {GIVEN}
SELECT CAST(v ->> 0 AS BIGINT), CAST(v ->> 1 AS BIGINT), CAST(v ->> 2 AS BIGINT), v ->> 3, CAST(v ->> 0 AS BIGINT) FROM given
"""
SYLLABLES = ["ма", "ро", "ли", "ка", "сто", "при", "вет", "гор", "дон", "шка", "тел", "ить", "ая", "run", "ing", "walk", "ly"]


class Filling:
    """Rows for one database, made by a seed."""

    def __init__(self, reader: int, somebody: int) -> None:
        self.reader, self.somebody = reader, somebody
        self.dice = random.Random(SEED)
        self.words = sorted({"".join(self.dice.choices(SYLLABLES, k=self.dice.randrange(1, 5))) for _ in range(60_000)})[:30_000]
        self.dice.shuffle(self.words)
        self.weights = list(accumulate(1 / (rank + 2) for rank in range(len(self.words))))
        self.others = list(range(1_000, 1_000 + PEOPLE))

    def list_people(self) -> Iterator[tuple[object, ...]]:
        """Everybody but the two who ask."""
        for id_ in self.others:
            first, last = self.dice.choices(self.words, k=2)
            yield id_, f"bench{id_}", f"{first.title()} {last.title()}"

    def list_rooms(self) -> Iterator[tuple[list[int], int, str | None]]:
        """Members, number of messages and name of each chat, until there are enough messages."""
        for other in self.others[: CHATS - GROUPS]:
            yield [self.reader, other], SAID, None
        for number in range(GROUPS):
            yield [self.reader, *self.dice.sample(self.others, GROUP_SIZE - 1)], SAID_IN_GROUPS, f"Группа {number}"
        for other in self.others[-20:]:
            yield [self.somebody, other], SAID, None
        for pair in {tuple(sorted(self.dice.sample(self.others, 2))) for _ in range(MESSAGES // SAID)}:
            yield list(pair), SAID, None

    async def write(self, db: Database) -> None:
        """Put it all into the database. Everybody talks all the time: messages of all chats follow each other in any order."""
        people = list(self.list_people())
        rooms = list(self.list_rooms())
        turns = [number for number, (_, count, _) in enumerate(rooms, 1) for _ in range(count)][:MESSAGES]
        self.dice.shuffle(turns)
        last = {chat_id: id_ for id_, chat_id in enumerate(turns, 1)}
        chats = [
            (number, name, *([None, None] if name else sorted(members)), count, last.get(number, 0))
            for number, (members, count, name) in enumerate(rooms, 1)
        ]
        seats = [(number, user_id) for number, (members, _, _) in enumerate(rooms, 1) for user_id in members]
        messages = ((id_, chat_id, *self.say(rooms[chat_id - 1][0])) for id_, chat_id in enumerate(turns, 1))
        for sql, rows in (
            (ADD_USERS, iter(people)), (ADD_PROFILES, iter(people)), (ADD_CHATS, iter(chats)), (ADD_MEMBERS, iter(seats)),
            (ADD_MESSAGES, messages),
        ):  # fmt: skip
            while chunk := list(islice(rows, CHUNK)):
                await db.write(add, sql, msgspec.json.encode(chunk).decode())
        if db.dialect == "postgres":
            await db.write(set_counters, len(turns), len(rooms))

    def say(self, members: list[int]) -> tuple[int, str]:
        """Who says what."""
        words = self.dice.choices(self.words, cum_weights=self.weights, k=self.dice.randrange(4, 17))
        return self.dice.choice(members), " ".join(words)

    def questions(self) -> dict[str, list[str]]:
        """What is asked, each kind of question in many words."""
        common, middling, rare = self.words[:20], self.words[200:400], self.words[10_000:10_200]
        return {
            "a common word": common,
            "a word now and then": middling,
            "a rare word": rare,
            "the first three letters": [word[:3] for word in self.words[:200] if len(word) > 4],
            "two common words": [f"{one} {other}" for one in common for other in common[:10] if one != other],
            "a word that nobody said": ["небывальщина"],
        }


async def is_empty(tx: Transaction) -> bool:
    """Whether nobody has said anything yet."""
    return await tx.one(int, "SELECT MAX(id) FROM messages") is None


async def add(tx: Transaction, sql: str, rows: str) -> None:
    """Rows of one table, as JSON."""
    await tx.run(sql, rows=rows)


async def drop_index(tx: Transaction) -> str:
    """Go without PostgreSQL's index of the words; how to make it again."""
    made = await tx.one(str, "SELECT indexdef FROM pg_indexes WHERE indexname = 'message_words_fts'")
    assert made is not None
    await tx.run("DROP INDEX message_words_fts")
    return made


async def make_index(tx: Transaction, statement: str) -> None:
    """Make it again, with the statistics that PostgreSQL keeps itself, given time."""
    await tx.run("SET LOCAL maintenance_work_mem = '1GB'")
    await tx.run(statement)
    await tx.run("ANALYZE")


def fill(environment: dict[str, str], reader: int, somebody: int) -> dict[str, float]:
    """In a process of its own: fill a database and index it; what that took."""
    return asyncio.run(fill_database(environment, Filling(reader, somebody)))


async def fill_database(environment: dict[str, str], filling: Filling) -> dict[str, float]:
    """The same."""
    path = Path(environment.get("DATABASE_PATH", "-"))
    db = connect(Settings(database_url=environment.get("DATABASE_URL"), database_path=path, postgres_statement_seconds=600))
    await db.open()
    await db.write(take_lease, "bench", HOUR)  # the server's own job, which has rests, would else go on with it after minutes
    taken = {}
    began = time.monotonic()
    if await db.read(is_empty):
        await filling.write(db)
        taken["seconds to fill"] = time.monotonic() - began
    if (due := await db.read(find_due, "bench")) is not None and due.messages:
        gin = await db.write(drop_index) if db.dialect == "postgres" else None
        taken |= await index(db)
        if gin is not None:
            await db.write(make_index, gin)
    await db.close()
    return taken | {"seconds in all": time.monotonic() - began}


async def index(db: Database) -> dict[str, float]:
    """Index everything, and say what one message cost this process (on SQLite, that is all of it) and how long it took."""
    indexing.AT_ONCE = indexing.ENOUGH = STEP
    began, cpu = time.monotonic(), time.process_time()
    while (due := await db.read(find_due, "bench")) is not None and due.is_any():
        await indexing.index(db, due)
    taken, used = time.monotonic() - began, time.process_time() - cpu
    await indexing.merge(db)
    return {"µs per message": taken / MESSAGES * 1e6, "CPU µs per message": used / MESSAGES * 1e6}


async def ask(subject: lab.Subject, place: Place, token: str, kind: str, questions: list[str]) -> dict[str, float]:
    """Requests, one after the other: their milliseconds, and the CPU of one."""
    times: list[float] = []
    async with lab.Client(subject.port) as client:
        for n in range(ASKED):
            if n == ASKED // 10:  # the first ones warm up
                times.clear()
                before = lab.cpu_seconds(subject.pid) + place.cpu_seconds()
            path = f"/api/search?type={kind}&limit=20&q={quote(questions[n % len(questions)])}"
            start = time.perf_counter()
            status, answer = await client.request("GET", path, token=token)
            times.append((time.perf_counter() - start) * 1000)
            if status != 200:
                raise RuntimeError(answer.decode())
    used = lab.cpu_seconds(subject.pid) + place.cpu_seconds() - before
    return {f"p{n} ms": lab.quantile(times, n / 100) for n in (50, 95, 99)} | {"CPU ms": used / len(times) * 1000}


def quote(text: str) -> str:
    """A text as it stands in a query."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


async def measure(subject: lab.Subject, place: Place, readers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All questions to one server."""
    filling = Filling(readers[0]["user_id"], readers[1]["user_id"])
    names = [f"{word[:4]}" for word in filling.words[:200] if len(word) > 4]
    asked = [
        (f"{question}, {who}", reader["access_token"], "messages", texts)
        for who, reader in zip((f"somebody with {CHATS} chats", "somebody with 20 chats"), readers, strict=True)
        for question, texts in filling.questions().items()
    ]
    asked.append((f"people by name, among {PEOPLE:,}", readers[0]["access_token"], "users", names))
    asked.append((f"chats by name, {CHATS} of mine", readers[0]["access_token"], "chats", names))
    return [{"question": question} | await ask(subject, place, *what) for question, *what in asked]


async def enter(port: int, name: str) -> dict[str, Any]:
    """Somebody who asks: registered, or signed in to what was kept."""
    async with lab.Client(port) as client:
        body = {"username": name, "password": "correct horse battery"}
        for path in ("/register", "/login"):
            status, answer = await client.request("POST", path, body)
            if status in (200, 201):
                return dict(msgspec.json.decode(answer))
    raise RuntimeError(answer.decode())


@asynccontextmanager
async def places() -> AsyncIterator[dict[str, Place]]:
    """The databases to measure: empty ones, or those that were kept."""
    kept = {}
    if FOLDER:
        kept["SQLite"] = Place({"DATABASE_PATH": f"{FOLDER}/search.db"}, None)
    if URL:
        kept["PostgreSQL"] = Place({"DATABASE_URL": URL}, await find_process(URL))
    if kept:
        yield {name: place for name, place in kept.items() if name.lower().startswith(tuple(CHOSEN))}
        return
    async with databases() as both:
        yield {name: place for name, place in both.items() if name.lower().startswith(tuple(CHOSEN))}


async def find_process(url: str) -> int | None:
    """The process of the PostgreSQL at a place, when it runs here."""
    db = connect(Settings(database_url=url))
    await db.open()
    folder = await db.read(find_folder)
    await db.close()
    note = Path(folder or "-") / "postmaster.pid"
    return int(note.read_text().split()[0]) if note.exists() else None


async def find_folder(tx: Transaction) -> str | None:
    """Where PostgreSQL keeps its data."""
    return await tx.one(str, "SHOW data_directory")


async def main() -> None:
    rows = []
    async with places() as kinds, AsyncExitStack() as stack:
        still = {"DATING_INDEX_SECONDS": "3600", "DATING_ACCESS_TOKEN_SECONDS": "86400"}
        servers = [await stack.enter_async_context(lab.ours(**place.environment, **still)) for place in kinds.values()]
        readers = [[await enter(server.port, name) for name in ("reader", "somebody")] for server in servers]
        loop = asyncio.get_running_loop()
        with ProcessPoolExecutor(len(kinds)) as pool:
            jobs = [
                loop.run_in_executor(pool, fill, place.environment, *[one["user_id"] for one in both])
                for place, both in zip(kinds.values(), readers, strict=True)
            ]
            costs = await asyncio.gather(*jobs)
        for name, server, both, cost in zip(kinds, servers, readers, costs, strict=True):
            lab.console.print(name, cost)
            if ASKED:
                rows += [{"database": name} | one | cost for one in await measure(server, kinds[name], both)]
    if rows:
        lab.report("search", rows, f"{MESSAGES:,} messages; {os.cpu_count()} cores carry server, database and client")


if __name__ == "__main__":
    asyncio.run(main())
