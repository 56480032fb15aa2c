"""The search among 1,000,000 messages of 20,000 people (`BENCH_MESSAGES`), on both databases.

Messages have 4 to 16 words of a vocabulary of 30,000, chosen as often as words are (Zipf). Most people have a few direct chats;
one has 500 chats, 50 of them groups of 20, with about 7 % of all messages. Requests come one after the other through HTTP, as one
application asks. Indexing is measured without the pauses that it makes beside a server.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from bench import lab
from bench.chats import ADD_CHATS, ADD_MEMBERS, ADD_MESSAGES, databases, set_counters
from dating.database import Database, Transaction, connect
from dating.search import indexing
from dating.settings import Settings

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "1000000"))
PEOPLE = 20_000
CHATS, GROUPS, GROUP_SIZE = 500, 50, 20
SAID = 36  # messages of a direct chat
SAID_IN_GROUPS = MESSAGES // 20 // GROUPS
ASKED = 300
CHUNK = 20_000
SEED = 5

ADD_USERS = "INSERT INTO users (id, username, username_key, password, created_at) VALUES (:id, :name, :name, '', 1)"
ADD_PROFILES = """
INSERT INTO profiles (user_id, name, near_lane, area_lane, region_lane, last_active, recency) VALUES (:id, :called, 8, 8, 8, 1, 1)
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
        self.chats = 0
        self.said = 0

    def list_people(self) -> Iterator[dict[str, Any]]:
        """Everybody but the two who ask."""
        for id_ in self.others:
            first, last = self.dice.choices(self.words, k=2)
            yield {"id": id_, "name": f"bench{id_}", "called": f"{first.title()} {last.title()}"}

    def list_rooms(self) -> Iterator[tuple[list[int], int, str | None]]:
        """Members, number of messages and name of each chat."""
        for other in self.others[: CHATS - GROUPS]:
            yield [self.reader, other], SAID, None
        for number in range(GROUPS):
            yield [self.reader, *self.dice.sample(self.others, GROUP_SIZE - 1)], SAID_IN_GROUPS, f"Группа {number}"
        for other in self.others[-20:]:
            yield [self.somebody, other], SAID, None
        pairs = {tuple(sorted(self.dice.sample(self.others, 2))) for _ in range(MESSAGES // SAID)}
        for pair in pairs:
            yield list(pair), SAID, None

    def list_rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every chat with its members and messages, until there are enough."""
        for members, count, name in self.list_rooms():
            if self.said >= MESSAGES:
                return
            self.chats += 1
            low, high = (None, None) if name else sorted(members)
            chat = {"id": self.chats, "kind": "group" if name else "direct", "name": name, "low_id": low, "high_id": high}
            yield ADD_CHATS, chat | {"count": count, "at": self.dice.randrange(10**15)}
            for user_id in members:
                yield ADD_MEMBERS, {"chat_id": self.chats, "user_id": user_id, "read": 0}
            for _ in range(count):
                self.said += 1
                words = self.dice.choices(self.words, cum_weights=self.weights, k=self.dice.randrange(4, 17))
                sender_id = self.dice.choice(members)
                yield ADD_MESSAGES, {"id": self.said, "chat_id": self.chats, "sender_id": sender_id, "content": " ".join(words)}

    async def write(self, db: Database) -> None:
        """Put it all into the database."""
        people = list(self.list_people())
        await db.write(add, [(ADD_USERS, one) for one in people])
        await db.write(add, [(ADD_PROFILES, one) for one in people])
        rows = self.list_rows()
        while chunk := list(islice(rows, CHUNK)):
            await db.write(add, chunk)
        if db.dialect == "postgres":
            await db.write(set_counters, self.said, self.chats)

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


async def add(tx: Transaction, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """Rows in their order of tables."""
    for sql in (ADD_USERS, ADD_PROFILES, ADD_CHATS, ADD_MEMBERS, ADD_MESSAGES):
        await tx.many(sql, [row for each, row in rows if each == sql])


async def analyze(tx: Transaction) -> None:
    """Statistics as PostgreSQL keeps them itself, given time."""
    await tx.run("ANALYZE")


async def index(db: Database) -> dict[str, Any]:
    """Index everything, and say what one message cost this process (on SQLite, that is all of it) and how long it took."""
    began, cpu, count = time.monotonic(), time.process_time(), 0
    while done := await indexing.index_messages(db):
        count += done
    taken, used = time.monotonic() - began, time.process_time() - cpu
    while await indexing.index_names(db):
        pass
    await indexing.merge(db)
    return {"µs per message": taken / count * 1e6, "CPU µs per message": used / count * 1e6}


async def ask(port: int, token: str, kind: str, questions: list[str]) -> list[float]:
    """Milliseconds of each request, one after the other."""
    times = []
    async with lab.Client(port) as client:
        for n in range(ASKED):
            path = f"/api/search?type={kind}&limit=20&q={quote(questions[n % len(questions)])}"
            start = time.perf_counter()
            status, answer = await client.request("GET", path, token=token)
            times.append((time.perf_counter() - start) * 1000)
            if status != 200:
                raise RuntimeError(answer.decode())
    return times[len(times) // 10 :]  # the first ones warm up


def quote(text: str) -> str:
    """A text as it stands in a query."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


async def measure(name: str, environment: dict[str, str]) -> list[dict[str, Any]]:
    """All questions on one database."""
    async with lab.ours(**environment, DATING_INDEX_SECONDS="3600", DATING_ACCESS_TOKEN_SECONDS="86400") as subject:
        readers = await lab.register(subject.port, 2)
        filling = Filling(readers[0]["id"], readers[1]["id"])
        path = Path(environment.get("DATABASE_PATH", "-"))
        db = connect(Settings(database_url=environment.get("DATABASE_URL"), database_path=path))
        await db.open()
        await filling.write(db)
        cost = await index(db)
        if db.dialect == "postgres":
            await db.write(analyze)
        await db.close()
        lab.console.print(name, cost)
        rows = []
        for who, reader in zip((f"somebody with {CHATS} chats", "somebody with 20 chats"), readers, strict=True):
            for question, texts in filling.questions().items():
                times = await ask(subject.port, reader["token"], "messages", texts)
                rows.append(row(f"{question}, {who}", times))
        names = [f"{word[:4]}" for word in filling.words[:200] if len(word) > 4]
        rows.append(row(f"people by name, among {PEOPLE:,}", await ask(subject.port, readers[0]["token"], "users", names)))
        rows.append(row(f"chats by name, {CHATS} of mine", await ask(subject.port, readers[0]["token"], "chats", names)))
    return [{"database": name} | one | cost for one in rows]


def row(question: str, times: list[float]) -> dict[str, Any]:
    """A line of the table."""
    return {"question": question} | {f"p{n} ms": lab.quantile(times, n / 100) for n in (50, 95, 99)}


async def main() -> None:
    async with databases() as kinds:
        rows = [one for name, environment in kinds.items() for one in await measure(name, environment)]
    lab.report("search", rows, f"{MESSAGES:,} messages; {os.cpu_count()} cores carry server, database and client")


if __name__ == "__main__":
    asyncio.run(main())
