"""Chats: the list of somebody with 500 of them, pages of a long history, and a group of 200 who are all online.

Of the 500 chats, 450 are direct and 50 are groups of 20; each has 20 messages, some of them unread, with reactions. The history
has 10,000 messages, a tenth of them with reactions, and pages begin anywhere in it. Requests come one after the other, as one
application asks, and the CPU of one is that of the server and of PostgreSQL. In the group every message goes to 200 sockets; the
CPU of a frame is divided into the thread where the sockets are and the database (SQLite's threads or PostgreSQL's processes).
Beside them stands what a bare loop uses that writes as many bytes to as many sockets: the kernel's part. Nothing is indexed
meanwhile: what was filled in at once would be, and nobody fills in so much at once.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.kit import Postgres

from bench import lab
from bench.bare import FRAME
from bench.sockets import open_sockets
from dating.database import Transaction, connect
from dating.settings import Settings

CHATS = 500
GROUPS = 50
GROUP_SIZE = 20
MESSAGES = 20
LONG = 10_000
ONLINE = 200
SAID = 100
ASKED = 400
SEED = 11

ADD_CHATS = """
INSERT INTO chats (id, kind, name, low_id, high_id, message_count, last_at, created_at)
VALUES (:id, :kind, :name, CAST(:low_id AS BIGINT), CAST(:high_id AS BIGINT), :count, :at, :at)
"""
ADD_MEMBERS = "INSERT INTO members (chat_id, user_id, read_id, read_count, joined_at) VALUES (:chat_id, :user_id, 0, :read, 0)"
ADD_MESSAGES = """
INSERT INTO messages (id, chat_id, sender_id, content, created_at) VALUES (:id, :chat_id, :sender_id, :content, :id)
"""
ADD_REACTIONS = "INSERT INTO reactions (message_id, user_id, emoji, created_at) VALUES (:message_id, :user_id, '👍', 0)"
WORDS = ["Привет!", "Как", "прошёл", "день?", "Let", "us", "meet", "at", "seven", "by", "the", "old", "bridge.", "🌧️"]


class Filling:
    """Rows for one database, made by a seed."""

    def __init__(self, people: list[int]) -> None:
        self.people = people
        self.dice = random.Random(SEED)
        self.rows: dict[str, list[dict[str, Any]]] = {sql: [] for sql in (ADD_CHATS, ADD_MEMBERS, ADD_MESSAGES, ADD_REACTIONS)}
        self.last = 0

    def chat(self, members: list[int], messages: int, name: str | None = None) -> int:
        """One chat with its messages, every tenth of which has a reaction; its id."""
        chat_id = len(self.rows[ADD_CHATS]) + 1
        low, high = (None, None) if name else sorted(members)
        row = {"id": chat_id, "kind": "group" if name else "direct", "name": name, "low_id": low, "high_id": high}
        self.rows[ADD_CHATS].append(row | {"count": messages, "at": self.dice.randrange(10**15)})
        for user_id in members:
            self.rows[ADD_MEMBERS].append({"chat_id": chat_id, "user_id": user_id, "read": self.dice.randrange(messages + 1)})
        for number in range(messages):
            self.last += 1
            content = " ".join(self.dice.choices(WORDS, k=12))
            sender_id = self.dice.choice(members)
            self.rows[ADD_MESSAGES].append({"id": self.last, "chat_id": chat_id, "sender_id": sender_id, "content": content})
            if number % 10 == 0:
                self.rows[ADD_REACTIONS].append({"message_id": self.last, "user_id": self.dice.choice(members)})
        return chat_id

    def make(self) -> tuple[int, int]:
        """Everything; the ids of the long chat and of the group that is online."""
        reader, *others = self.people
        long = self.chat([reader, others[0]], LONG)
        for other in others[1 : CHATS - GROUPS]:
            self.chat([reader, other], MESSAGES)
        for number in range(GROUPS - 1):
            self.chat([reader, *self.dice.sample(others, GROUP_SIZE - 1)], MESSAGES, f"Походы {number}")
        return long, self.chat(self.people[:ONLINE], 1, "Все")

    async def write(self, tx: Transaction) -> None:
        """Put it all into the database."""
        for sql, rows in self.rows.items():
            await tx.many(sql, rows)


async def set_counters(tx: Transaction, messages: int, chats: int) -> None:
    """PostgreSQL: go on counting after what was filled in."""
    await tx.all(int, "SELECT setval('messages_id_seq', CAST(:last AS BIGINT))", last=messages)
    await tx.all(int, "SELECT setval('chats_id_seq', CAST(:last AS BIGINT))", last=chats)
    await tx.run("ANALYZE")


class Place(NamedTuple):
    """An empty database: the settings of a server on it, and the process that it is, if it is one."""

    environment: dict[str, str]
    process: int | None

    def cpu_seconds(self) -> float:
        """The CPU time that it has used, in seconds."""
        return 0.0 if self.process is None else lab.family_seconds(self.process)


@asynccontextmanager
async def databases() -> AsyncIterator[dict[str, Place]]:
    """An empty database of either kind; PostgreSQL with the memory that docs/operations.md recommends for a small machine."""
    postgres = await asyncio.to_thread(Postgres)
    postgres.execute("ALTER SYSTEM SET shared_buffers = '2GB'")
    postgres.kill()
    postgres.start()
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield {
                "SQLite": Place({"DATABASE_PATH": f"{folder}/bench.db"}, None),
                "PostgreSQL": Place({"DATABASE_URL": postgres.create("bench")}, postgres.pid),
            }
        finally:
            postgres.close()


async def ask(subject: lab.Subject, place: Place, token: str, question: str, paths: list[str]) -> dict[str, Any]:
    """A line of the table: the requests, one after the other."""
    times: list[float] = []
    async with lab.Client(subject.port) as client:
        for n, path in enumerate(paths):
            if n == len(paths) // 10:  # the first ones warm up
                times.clear()
                before = lab.cpu_seconds(subject.pid) + place.cpu_seconds()
            start = time.perf_counter()
            status, answer = await client.request("GET", path, token=token)
            times.append((time.perf_counter() - start) * 1000)
            if status != 200 or len(answer) < 1000:
                raise RuntimeError(answer.decode())
        spent = lab.cpu_seconds(subject.pid) + place.cpu_seconds() - before
    return row(question, times) | {"CPU µs": spent / len(times) * 1e6}


async def tell_group(subject: lab.Subject, place: Place, tokens: list[str], group: int) -> dict[str, Any]:
    """Messages to 200 sockets: the CPU of each frame, and the time until the last socket has a message."""
    sockets = await open_sockets(subject.port, tokens)
    came = [0] * len(sockets)

    async def hear(number: int) -> None:
        async for frame in sockets[number]:
            came[number] += '"message"' in str(frame)

    ears = [asyncio.create_task(hear(number)) for number in range(len(sockets))]
    times = []
    await asyncio.sleep(1)
    meter = Meter(subject.pid, place)
    async with lab.Client(subject.port) as client:
        for said in range(1, SAID + 1):
            start = time.perf_counter()
            status, answer = await client.request("POST", "/messages/send", {"chat_id": group, "content": "Всем"}, tokens[0])
            if status != 201:
                raise RuntimeError(answer.decode())
            while min(came) < said:
                await asyncio.sleep(0.001)
            times.append((time.perf_counter() - start) * 1000)
    spent = meter.read(SAID * len(sockets))
    for ear in ears:
        ear.cancel()
    await asyncio.gather(*[one.close() for one in sockets])
    return row("one message to 200 sockets", times) | spent | {"bare loop": await write_bare()}


class Meter:
    """CPU of a server and its database from now on, by what it is for."""

    def __init__(self, server: int, place: Place) -> None:
        self._server, self._place = server, place
        self._before = self._look()

    def _look(self) -> tuple[float, float]:
        threads = lab.cpu_by_thread(self._server)
        loop = threads.pop(self._server)
        return loop, sum(threads.values()) + self._place.cpu_seconds()

    def read(self, frames: int) -> dict[str, float]:
        """Microseconds for each of so many frames."""
        loop, database = [(now - then) / frames * 1e6 for now, then in zip(self._look(), self._before, strict=True)]
        return {"CPU µs": loop + database, "of it sockets": loop, "of it database": database}


async def write_bare() -> float:
    """CPU microseconds that a bare loop, and the kernel below it, take for a frame to one of as many sockets."""
    async with lab.Subject([sys.executable, "-m", "bench.bare", "{port}"], {}, probe="") as subject:
        peers = [await asyncio.open_connection("127.0.0.1", subject.port) for _ in range(ONLINE)]
        await asyncio.sleep(0.5)
        before = lab.cpu_by_thread(subject.pid)[subject.pid]
        for _ in range(SAID):
            peers[0][1].write(b"?")
            await asyncio.gather(*[reader.readexactly(FRAME) for reader, _ in peers])
        spent = lab.cpu_by_thread(subject.pid)[subject.pid] - before
        for _, writer in peers:
            writer.close()
    return spent / SAID / ONLINE * 1e6


def row(question: str, times: list[float]) -> dict[str, Any]:
    """A line of the table."""
    measured = {f"p{n} ms": lab.quantile(times, n / 100) for n in (50, 95, 99)}
    return {"question": question} | measured | dict.fromkeys(("CPU µs", "of it sockets", "of it database", "bare loop"), "")


async def measure(name: str, place: Place) -> list[dict[str, Any]]:
    """All questions on one database."""
    environment = place.environment
    async with lab.ours(**environment, DATING_INDEX_SECONDS="3600") as subject:
        people = await lab.register(subject.port, CHATS)
        filling = Filling([person["id"] for person in people])
        long, group = filling.make()
        settings = {"database_url": environment.get("DATABASE_URL"), "database_path": Path(environment.get("DATABASE_PATH", "-"))}
        db = connect(Settings(**settings))
        await db.open()
        await db.write(filling.write)
        if name == "PostgreSQL":
            await db.write(set_counters, filling.last, len(filling.rows[ADD_CHATS]))
        await db.close()
        token, dice = people[0]["token"], random.Random(SEED)
        newest = f"/chat/messages/{long}?limit=50"
        questions = {
            "list of 20 of 500 chats": ["/chats?limit=20"] * ASKED,
            "list of 100 of 500 chats": ["/chats?limit=100"] * ASKED,
            "newest 50 messages of 10,000": [newest] * ASKED,
            "50 messages anywhere in 10,000": [f"{newest}&before_id={dice.randrange(1000, LONG)}" for _ in range(ASKED)],
        }
        rows = [await ask(subject, place, token, question, paths) for question, paths in questions.items()]
        rows.append(await tell_group(subject, place, [person["token"] for person in people[:ONLINE]], group))
    return [{"database": name} | one for one in rows]


async def main() -> None:
    async with databases() as kinds:
        rows = [one for name, place in kinds.items() for one in await measure(name, place)]
    lab.report("chats", rows, f"{os.cpu_count()} cores carry server, database and client; sockets read by Python clients")


if __name__ == "__main__":
    asyncio.run(main())
