"""What only PostgreSQL can do to us: connections that end, and deadlines."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from dating.chat import changes, limit_queries, posts
from dating.chat import service as chats
from dating.chat.limits import Rules
from dating.chat.post_models import Post
from dating.clock import DAY
from dating.database import Database, DatabaseAway, Transaction, connect
from dating.settings import Settings
from tests.kit import Postgres

KEEP = "INSERT INTO facts (name, value) VALUES (:name, '')"
KEPT = "SELECT name FROM facts ORDER BY name"
ADD_USER = "INSERT INTO users (id, username, username_key, password, created_at) VALUES (:id, :name, :name, '', :now)"
END = "SELECT pg_terminate_backend(pg_backend_pid())"
SLEEP = "SELECT pg_sleep(30)"
HOLD = "UPDATE facts SET value = 'held' WHERE name = :name"
END_AT_COMMIT = """
CREATE FUNCTION end_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON facts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION end_here();
"""


@pytest.fixture
async def settings(postgres: Postgres, postgres_template: str) -> AsyncIterator[Settings]:
    """Settings of a database of its own."""
    name = postgres.lend(postgres_template)
    yield Settings(database_url=postgres.url(name))
    postgres.drop(name)


async def kept(tx: Transaction) -> list[str]:
    return await tx.all(str, KEPT)


class Victim:
    """A function whose connection ends, the first times that it runs."""

    def __init__(self, ends: int) -> None:
        self.ends = ends
        self.runs = 0

    async def keep(self, tx: Transaction) -> int:
        """Keep one row, unless the connection ends."""
        self.runs += 1
        await tx.run(KEEP, name=f"run {self.runs}")
        tx.notices.append(self.runs)
        if self.runs <= self.ends:
            await tx.all(bool, END)
        return self.runs

    async def look(self, tx: Transaction) -> list[str]:
        """Read, unless the connection ends."""
        self.runs += 1
        if self.runs <= self.ends:
            await tx.all(bool, END)
        return await kept(tx)


async def test_a_read_whose_connection_ends_runs_again(db: Database) -> None:
    """The caller notices nothing: the read runs again on a fresh connection."""
    victim = Victim(ends=2)
    assert await db.read(victim.look) == []
    assert victim.runs == 3


async def test_a_write_whose_connection_ends_before_the_commit_runs_again(db: Database) -> None:
    """It is done once, and announced once; what the lost connection had written is undone."""
    heard: list[object] = []
    db.committed = heard.extend
    assert await db.write(Victim(ends=2).keep) == 3
    assert await db.read(kept) == ["run 3"]
    assert heard == [3]


async def test_an_unknown_commit_is_not_repeated(db: Database, settings: Settings, postgres: Postgres) -> None:
    """When the connection ends while the commit is made, the function does not run again: 503 with Retry-After."""
    assert settings.database_url is not None
    postgres.execute(END_AT_COMMIT, settings.database_url.split("/")[3].split("?")[0])
    victim = Victim(ends=0)
    with pytest.raises(DatabaseAway) as refusal:
        await db.write(victim.keep)
    assert (victim.runs, refusal.value.retry_after) == (1, 1)


async def test_connections_that_always_end_are_given_up(db: Database) -> None:
    """After a few attempts the caller hears 503."""
    victim = Victim(ends=1000)
    with pytest.raises(DatabaseAway) as refusal:
        await db.read(victim.look)
    assert refusal.value.retry_after == 1
    assert victim.runs < 10


async def sleep(tx: Transaction) -> list[str]:
    return await tx.all(str, SLEEP)


async def hold(tx: Transaction, held: asyncio.Event, over: asyncio.Event) -> None:
    """Hold a row until told otherwise."""
    await tx.run(HOLD, name="row")
    held.set()
    await over.wait()


async def doze(tx: Transaction) -> None:
    """Keep a transaction open and do nothing in it."""
    await tx.run(HOLD, name="row")
    await asyncio.sleep(1)
    await tx.run(HOLD, name="row")


async def take(tx: Transaction) -> int:
    return await tx.run(HOLD, name="row")


async def put(tx: Transaction) -> int:
    return await tx.run(KEEP, name="row")


async def open_with(settings: Settings, **changes: float) -> Database:
    """A database with other deadlines."""
    db = connect(msgspec.structs.replace(settings, **changes))
    await db.open()
    return db


async def refused(settings: Settings, fn: object, **changes: float) -> float:
    """Run a function by other deadlines; after how long it is 503 with Retry-After."""
    db = await open_with(settings, **changes)
    started = time.monotonic()
    with pytest.raises(DatabaseAway) as refusal:
        await db.write(fn)  # type: ignore[arg-type]  # any of the functions above
    took = time.monotonic() - started
    assert refusal.value.retry_after
    await db.close()
    return took


async def test_a_statement_has_a_deadline(settings: Settings) -> None:
    """A statement that takes too long is ended by the server."""
    assert await refused(settings, sleep, postgres_statement_seconds=0.1) < 20


async def test_an_idle_transaction_has_a_deadline(settings: Settings, db: Database) -> None:
    """A transaction that holds rows and does nothing is ended by the server."""
    await db.write(put)
    await refused(settings, doze, postgres_idle_seconds=0.1)


async def test_a_lock_has_a_deadline(settings: Settings, db: Database) -> None:
    """Whoever waits for a row too long gives up, and whoever holds it goes on."""
    await db.write(put)
    held, over = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(db.write(hold, held, over))
    await held.wait()
    assert await refused(settings, take, postgres_lock_seconds=0.1) < 5
    over.set()
    await holder
    assert await db.write(take) == 1


async def take_all(tx: Transaction, names: list[str]) -> list[str]:
    """Take a row for each item."""
    for name in names:
        await tx.run(HOLD, name=name)
    return names


async def test_a_locked_row_holds_up_its_own_item_only(settings: Settings, db: Database) -> None:
    """Of those who are written together only the one whose row somebody holds waits, and hears 503 when it takes too long."""
    await db.write(put)
    hasty = await open_with(settings, postgres_lock_seconds=0.3)
    held, over = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(db.write(hold, held, over))
    await held.wait()
    together = [hasty.write_together(take_all, name) for name in ("free", "row", "also free")]
    free, locked, also_free = await asyncio.gather(*together, return_exceptions=True)
    assert (free, also_free) == ("free", "also free")
    assert isinstance(locked, DatabaseAway)
    over.set()
    await holder
    assert await hasty.write_together(take_all, "row") == "row"
    await hasty.close()


async def test_a_batch_that_waits_is_overtaken(db: Database) -> None:
    """Who comes after a batch that waits for a lock is written before it."""
    await db.write(put)
    held, over = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(db.write(hold, held, over))
    await held.wait()
    waiting = asyncio.create_task(db.write_together(take_all, "row"))
    await asyncio.sleep(0)
    assert await db.write_together(take_all, "free") == "free"
    assert not waiting.done()
    over.set()
    assert await waiting == "row"
    await holder


async def test_a_pool_has_a_size_and_a_deadline(settings: Settings, db: Database) -> None:
    """With every connection of the pool in use the next caller waits for so long and no longer; then it works again."""
    await db.write(put)
    small = await open_with(settings, postgres_pool=1, postgres_acquire_seconds=0.1)
    held, over = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(small.write(hold, held, over))
    await held.wait()
    with pytest.raises(DatabaseAway):
        await small.write(take)
    assert await small.read(kept) == ["row"]
    over.set()
    await holder
    assert await small.write(take) == 1
    await small.close()


async def test_connecting_has_a_deadline() -> None:
    """An address that takes connections and never answers is given up in time, with a sentence."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me:canary@127.0.0.1:{silent.getsockname()[1]}/dating"
        with pytest.raises(DatabaseAway) as refusal:
            await open_with(Settings(database_url=url), postgres_connect_seconds=0.2)
    assert "DATABASE_URL" in refusal.value.detail
    assert "canary" not in refusal.value.detail


async def test_a_newcomer_who_sends_and_edits_at_once_waits_for_nobody_crosswise(db: Database) -> None:
    """Both take the newcomer before the chat: neither is undone as one of two that wait for each other."""
    await db.write(settle)
    rules = Rules(newcomer_span=DAY, messages_per_hour=100)
    first, _ = (await db.write(posts.post, [Post(1, 1, "Привет", None, None)], rules))[0]
    runs: list[str] = []
    held = asyncio.Event()

    async def send(tx: Transaction) -> None:
        runs.append("send")
        await limit_queries.hold(tx, {1})
        held.set()
        await asyncio.sleep(0.3)
        await posts.post(tx, [Post(1, 1, "Как дела?", None, None)], rules)

    async def edit(tx: Transaction) -> None:
        runs.append("edit")
        await changes.edit(tx, 1, first.id, "Приветик", rules)

    sending = asyncio.create_task(db.write(send))
    await held.wait()
    await asyncio.gather(sending, db.write(edit))
    assert runs == ["send", "edit"]


async def settle(tx: Transaction) -> None:
    """Two people who have joined just now, and their chat."""
    for id_ in (1, 2):
        await tx.run(ADD_USER, id=id_, name=f"person{id_}", now=tx.now)
    await chats.open_direct(tx, 1, 2, "Hello")
