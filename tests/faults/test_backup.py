"""A backup made under load and restored: what was answered before it began is there, and clients know that they must reload."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from dating.database import Database, connect
from dating.realtime.inbox import FAR
from dating.settings import Settings
from tests.cluster.conftest import Remote, remote
from tests.faults.history import read_store
from tests.faults.nemesis import SECRET
from tests.kit import CHEAP, Person, Postgres, Process, names

LEAST = 60  # messages before the backup begins, and after it has ended


class Vault:
    """A database that can be backed up while it is used, and restored."""

    def __init__(self, folder: Path, postgres: Postgres | None) -> None:
        self.folder = folder
        self.postgres = postgres
        self.name = f"vault_{next(names)}"
        if postgres is None:
            self.settings = Settings(database_path=folder / "dating.db", **CHEAP)
        else:
            self.settings = Settings(database_url=postgres.create(self.name), **CHEAP)
        self.dump = Path()

    def start(self) -> Process:
        """A server that is not started yet."""
        given = {"DATING_RATE_LIMITS": "0", "JWT_SECRET": SECRET, "DATING_DRAIN_SECONDS": "0"}
        if self.settings.database_url is not None:
            return Process(**given, DATABASE_URL=self.settings.database_url)
        return Process(**given, DATABASE_PATH=str(self.settings.database_path))

    def back_up(self) -> None:
        """As the operations page says."""
        if self.postgres is not None:
            self.dump = self.postgres.dump(self.name)
            return
        self.dump = self.folder / "copy.db"
        with closing(sqlite3.connect(self.settings.database_path)) as source, closing(sqlite3.connect(self.dump)) as copy:
            source.backup(copy)
            copy.execute("DELETE FROM facts WHERE name = 'epoch'")
            copy.commit()
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert copy.execute("PRAGMA foreign_key_check").fetchall() == []

    def restore(self) -> None:
        """The same, the other way round."""
        if self.postgres is not None:
            url = self.postgres.restore(self.dump, f"{self.name}_restored")
            self.settings = msgspec.structs.replace(self.settings, database_url=url)
            return
        path = self.settings.database_path
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        self.dump.rename(path)

    async def stored(self) -> set[int]:
        """The ids of all messages."""
        db: Database = connect(self.settings)
        await db.open()
        try:
            return {message.id for message in (await read_store(db)).messages}
        finally:
            await db.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def vault(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Vault]:
    postgres = None if request.param == "sqlite" else request.getfixturevalue("postgres")
    vault = Vault(tmp_path, postgres)
    yield vault
    if postgres is not None:
        postgres.drop(vault.name)
        postgres.drop(f"{vault.name}_restored")


async def pour(person: Person, chat_id: int, answered: list[int], stop: asyncio.Event) -> None:
    """Send until told to stop."""
    while not stop.is_set():
        answered.append((await person.say(chat_id, "Привет 🎉", client_id=f"{next(names)}"))["id"])


async def reach(answered: list[int], count: int) -> None:
    """Wait until so many were answered."""
    async with asyncio.timeout(30):
        while len(answered) < count:
            await asyncio.sleep(0.01)


async def locate(server: Remote, person: Person) -> tuple[int, str]:
    """The top of the person's inbox and the epoch of the database."""
    async with server.connect(f"/ws/chat?session={(await person.post('/ws/start')).json()['session_token']}") as socket:
        hello = await socket.next()
    return hello["seq"], hello["epoch"]


async def returns(server: Remote, person: Person, query: str, reason: str) -> None:
    """Somebody who comes back from before the restore is told to reload, from where the inbox stands now."""
    top, epoch = await locate(server, person)
    async with server.socket(person, query) as socket:
        frame = await socket.next()
        assert frame == {"type": "resync", "reason": reason, "epoch": epoch, "seq": top}
        assert await socket.quiet(0.1) == []


async def continues(server: Remote, person: Person, since: int) -> None:
    """Somebody who has been away since before the backup gets what is left of that time, and is told to reload then."""
    top, _ = await locate(server, person)
    async with server.socket(person, f"&since={since}") as socket:
        while (frame := await socket.next())["type"] == "message":
            assert frame["seq"] == since + 1
            since += 1
        assert (frame["type"], frame["reason"], frame["seq"]) == ("resync", "trimmed", top)


async def test_a_backup_during_load_and_its_restore(vault: Vault) -> None:
    """Nothing answered before the backup is missing, and no position from before the restore is taken for one of after it."""
    process = await vault.start().start()
    answered: list[int] = []
    stop = asyncio.Event()
    async with remote(process) as server:
        anna, boris = await server.people(2)
        chat_id = await anna.match(boris)
        pouring = [asyncio.create_task(pour(anna, chat_id, answered, stop)) for _ in range(4)]
        await reach(answered, LEAST)
        before, (early, _) = set(answered), await locate(server, boris)
        await asyncio.to_thread(vault.back_up)
        await reach(answered, len(answered) + LEAST)
        stop.set()
        await asyncio.gather(*pouring)
        late, epoch = await locate(server, boris)
    process.kill()
    vault.restore()
    process = await vault.start().start()
    assert before <= await vault.stored() < set(answered)
    async with remote(process) as server:
        anna.api = boris.api = server
        await returns(server, boris, f"&since={late}&epoch={epoch}", "epoch")
        await returns(server, boris, f"&since={late}", "trimmed")
        for _ in range(late - early):  # without the leap of the numbers they would have overtaken the client's by now
            await anna.say(chat_id, "after")
        await returns(server, boris, f"&since={late}&epoch={epoch}", "epoch")
        await returns(server, boris, f"&since={late}", "trimmed")
        await continues(server, boris, early)
        top, epoch = await locate(server, boris)
        assert top > FAR > late
        async with server.socket(boris, f"&since={top - 1}&epoch={epoch}") as socket:
            assert [(await socket.next())["type"] for _ in range(2)] == ["message", "resumed"]
        assert (await boris.get(f"/chat/messages/{chat_id}")).status_code == 200
    process.kill()
