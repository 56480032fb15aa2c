"""The database layer: the same promises on both databases."""

import asyncio
import contextlib
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from dating.database import Clash, Database, DatabaseAway, Overloaded, Overtaken, Transaction, connect
from dating.database.postgres import numbered
from dating.database.sqlite import split
from dating.errors import Malformed, NotFound
from dating.migrate import migrate
from dating.settings import Settings

pytestmark = pytest.mark.one_process("asks the database, no server")

INSERT = "INSERT INTO facts (name, value) VALUES (:name, :value)"
FIND = "SELECT value FROM facts WHERE name = :name"


class Fact(msgspec.Struct):
    name: str
    value: str


async def put(tx: Transaction, name: str, value: str = "x") -> str:
    await tx.run(INSERT, name=name, value=value)
    return name


async def find(tx: Transaction, name: str) -> str | None:
    return await tx.one(str, FIND, name=name)


async def test_rows_become_structs_and_scalars(db: Database) -> None:
    """A row is a struct by column names, or the first column as a plain value; Cyrillic and emoji survive."""
    await db.write(put, "имя", "Привет 👩🏽‍🚀")

    async def look(tx: Transaction) -> list[Fact]:
        return await tx.all(Fact, "SELECT value, name FROM facts WHERE name = :name", name="имя")

    assert await db.read(look) == [Fact("имя", "Привет 👩🏽‍🚀")]
    assert await db.read(find, "имя") == "Привет 👩🏽‍🚀"
    assert await db.read(find, "nobody") is None


async def test_a_long_look_keeps_no_other_waiting(tmp_path: Path) -> None:
    """On SQLite, while one reader works, the others take what comes, however much it is."""
    db = connect(Settings(database_path=str(tmp_path / "dating.db"), sqlite_readers=2))
    await db.open()
    over = threading.Event()

    async def dawdle(tx: Transaction) -> None:
        over.wait(30)

    async def look(tx: Transaction) -> int | None:
        return await tx.one(int, "SELECT 1")

    try:
        long = asyncio.create_task(db.read(dawdle))
        await asyncio.sleep(0.05)
        assert [await asyncio.wait_for(db.read(look), 10) for _ in range(4)] == [1, 1, 1, 1]
        over.set()
        await long
    finally:
        over.set()
        await db.close()


async def test_what_takes_long_is_not_for_the_loop(db: Database) -> None:
    """What a transaction thinks about runs on another thread, and its outcome or error comes back."""

    async def think(tx: Transaction, text: str) -> tuple[int, int]:
        return await tx.think(lambda: (threading.get_ident(), int(text)))

    thread, number = await db.read(think, "7")
    assert thread != threading.get_ident()
    assert number == 7
    with pytest.raises(ValueError, match="many"):
        await db.write(think, "many")


async def test_one_failure_leaves_its_neighbors_alone(db: Database) -> None:
    """Of many writers at once, the one that fails rolls back alone, and hears its own error."""

    async def fail(tx: Transaction) -> None:
        await put(tx, "half done")
        raise NotFound("on purpose")

    results = await asyncio.gather(*[db.write(put, f"n{i}") for i in range(50)], db.write(fail), return_exceptions=True)
    assert results[:50] == [f"n{i}" for i in range(50)]
    assert isinstance(results[50], NotFound)
    assert await db.read(find, "half done") is None
    assert await db.read(find, "n49") == "x"


async def test_notices_leave_after_the_commit_only(db: Database) -> None:
    """What a transaction announces is heard once it is durable, and never when it rolled back."""
    heard: list[object] = []
    db.committed = heard.extend

    async def announce(tx: Transaction, name: str, fails: bool) -> None:
        await put(tx, name)
        tx.notices.append(name)
        if fails:
            raise NotFound

    await db.write(announce, "good", False)
    with pytest.raises(NotFound):
        await db.write(announce, "bad", True)
    assert heard == ["good"]


async def test_what_is_noted_waits_for_no_disk(db: Database) -> None:
    """A note is there for everybody at once and undone when it fails; only what is written is flushed, also after notes."""
    asked = {"sqlite": "PRAGMA synchronous", "postgres": "SELECT current_setting('synchronous_commit')"}[db.dialect]
    flushed, hasty = {"sqlite": ("2", "1"), "postgres": ("on", "off")}[db.dialect]

    async def ask(tx: Transaction, name: str, fails: bool = False) -> str:
        await put(tx, name)
        if fails:
            raise NotFound
        return str(await tx.one(str, asked))

    assert [await db.note(ask, "a"), await db.write(ask, "b"), await db.note(ask, "c")] == [hasty, flushed, hasty]
    with pytest.raises(NotFound):
        await db.note(ask, "d", fails=True)
    assert await db.write(ask, "e") == flushed
    assert [await db.read(find, name) for name in "abcde"] == ["x", "x", "x", None, "x"]
    both = await asyncio.gather(db.write(ask, "f"), db.note(ask, "g"))
    assert both == [flushed, flushed if db.dialect == "sqlite" else hasty], "a batch with one that is written is flushed"


async def test_constraints_are_refusals(db: Database) -> None:
    """A broken constraint is a conflict, a number out of range is malformed; neither is an unknown error."""
    await db.write(put, "twice")
    with pytest.raises(Clash):
        await db.write(put, "twice")

    async def count(tx: Transaction, number: int) -> int | None:
        return await tx.one(int, "SELECT seq FROM inbox_heads WHERE user_id = :number", number=number)

    with pytest.raises(Malformed):
        await db.read(count, 2**63)


async def test_readers_cannot_write(db: Database) -> None:
    """A function given to read() has no right to change anything."""
    with pytest.raises(Exception, match=r"readonly|read-only"):
        await db.read(put, "sneaky")
    assert await db.read(find, "sneaky") is None


async def test_what_is_answered_is_on_the_disk(db: Database) -> None:
    """Every connection waits for the disk before a commit is answered, and keeps foreign keys; so a power cut loses nothing."""

    async def look(tx: Transaction) -> list[str]:
        if db.dialect == "postgres":
            asked = (
                "SELECT setting FROM pg_settings WHERE name IN ('synchronous_commit', 'session_replication_role') ORDER BY name"
            )
            return await tx.all(str, asked)
        pragmas = ("SELECT synchronous FROM pragma_synchronous", "SELECT foreign_keys FROM pragma_foreign_keys")
        return [str(await tx.one(int, pragma)) for pragma in pragmas]

    expected = ["origin", "on"] if db.dialect == "postgres" else ["2", "1"]
    assert await db.write(look) == expected
    assert await asyncio.gather(*[db.read(look) for _ in range(8)]) == [expected] * 8


async def test_a_canceled_writer_harms_nobody(db: Database) -> None:
    """Callers that give up leave whole transactions and healthy connections behind."""
    tasks = [asyncio.create_task(db.write(put, f"c{i}")) for i in range(200)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [await db.read(find, f"c{i}") for i in range(1, 200, 2)] == ["x"] * 100


async def test_many_and_lists(db: Database) -> None:
    """A statement runs for many rows, and a list is one parameter as JSON text."""

    async def fill(tx: Transaction) -> list[str]:
        await tx.many(INSERT, [{"name": f"m{i}", "value": str(i)} for i in range(5)])
        sql = (
            "SELECT name FROM facts WHERE name IN (SELECT CAST(value AS TEXT) FROM json_each(CAST(:names AS TEXT))) ORDER BY name"
        )
        return await tx.all(str, sql, names='["m1","m3","nobody"]')

    assert await db.write(fill) == ["m1", "m3"]


async def test_a_full_queue_refuses(settings: Settings) -> None:
    """More waiting writers than the setting allows are sent away with 503 instead of piling up."""
    db = connect(msgspec.structs.replace(settings, write_queue=10))
    await db.open()
    results = await asyncio.gather(*[db.write(put, f"q{i}") for i in range(200)], return_exceptions=True)
    await db.close()
    refused = [result for result in results if isinstance(result, Overloaded)]
    assert len(refused) + results.count("x") + sum(isinstance(r, str) for r in results) == 200
    assert refused
    assert refused[0].retry_after == 1


async def test_an_unreachable_database_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A database that cannot be opened is one sentence that names it, at once."""
    folder = tmp_path_factory.mktemp("not-a-file")
    for settings in (Settings(database_path=folder), Settings(database_url="postgresql://u:p@127.0.0.1:9/none")):
        db = connect(settings)
        with pytest.raises(DatabaseAway) as refusal:
            await db.open()
        assert str(folder) in refusal.value.detail or "DATABASE_URL" in refusal.value.detail


def test_parameters_are_numbered_once() -> None:
    """Names become numbers in order of appearance; casts are left alone."""
    assert numbered("SELECT :b::text, :a, :b") == ("SELECT $1::text, $2, $1", ("b", "a"))


def test_scripts_split_at_statements() -> None:
    """A trigger with statements of its own stays one statement."""
    script = (
        "CREATE TABLE a (x);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n UPDATE a SET x = 1;\n DELETE FROM a;\nEND;\nSELECT 1"
    )
    assert [part.split()[0] for part in split(script)] == ["CREATE", "CREATE", "SELECT"]


async def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """When SQLite's file cannot grow, writers hear 503 and nothing is half done; with room again the next one succeeds."""

    async def limit(tx: Transaction, pages: int) -> None:
        await tx.all(int, f"PRAGMA max_page_count = {pages}")

    db = connect(Settings(database_path=tmp_path / "small.db"))
    await db.open()
    await migrate(db)
    await db.write(limit, 1)
    with pytest.raises(DatabaseAway) as refusal:
        await db.write(put, "big", "x" * 1_000_000)
    assert refusal.value.retry_after == 30
    await db.write(limit, 100_000)
    assert await db.write(put, "big", "x" * 1_000_000) == "big"
    await db.close()


async def test_a_listener_that_fails_holds_nobody_up(db: Database) -> None:
    """A commit whose announcement fails is answered all the same, and so is the next."""

    def fail(notices: list[object]) -> None:
        raise ValueError("on purpose")

    async def announce(tx: Transaction, name: str) -> str:
        tx.notices.append(name)
        return await put(tx, name)

    db.committed = fail
    assert await db.write(announce, "one") == "one"
    assert await db.write(announce, "two") == "two"


# --- written together ---------------------------------------------------------------------------------------------------------


async def put_all(tx: Transaction, names: list[str]) -> list[str | NotFound]:
    """Keep each name, with how many came together; refuse "nobody" alone, and fail as a whole at "bad"."""
    kept = [name for name in names if name != "nobody"]
    await tx.many(INSERT, [{"name": name, "value": str(len(names))} for name in kept])
    tx.notices += kept
    if "bad" in names:
        raise ZeroDivisionError
    return [name if name != "nobody" else NotFound("Nobody.") for name in names]


async def test_items_are_written_together(db: Database) -> None:
    """Who comes while one batch is being committed rides the next; each hears its own outcome, after the commit."""
    heard: list[object] = []
    db.committed = heard.extend
    names = [f"n{i}" for i in range(300)]
    assert await asyncio.gather(*[db.write_together(put_all, name) for name in names]) == names
    # On PostgreSQL two batches are on their way at once, and whichever is first is told first.
    assert heard == names or (db.dialect == "postgres" and sorted(map(str, heard)) == sorted(names))
    sizes = [await db.read(find, name) for name in names]
    assert len(set(sizes)) < len(names) / 10


async def test_a_refusal_is_that_of_one_item(db: Database) -> None:
    """One item of a batch is refused, and the others are kept."""
    first, nobody, last = await asyncio.gather(
        *[db.write_together(put_all, name) for name in ("first", "nobody", "last")], return_exceptions=True
    )
    assert (first, last) == ("first", "last")
    assert isinstance(nobody, NotFound)
    assert await db.read(find, "last") is not None


@pytest.mark.parametrize("bad", ["bad", "twice"])
async def test_a_bad_item_fails_alone(db: Database, bad: str) -> None:
    """An item that breaks its whole batch hears its error, and nobody else does; what was rolled back is not announced."""
    heard: list[object] = []
    await db.write(put, "twice")
    db.committed = heard.extend
    names = ["a", "b", bad, "c"]
    outcomes = await asyncio.gather(*[db.write_together(put_all, name) for name in names], return_exceptions=True)
    assert [outcome for outcome in outcomes if isinstance(outcome, str)] == ["a", "b", "c"]
    assert isinstance(outcomes[2], ZeroDivisionError | Clash)
    assert sorted(map(str, heard)) == ["a", "b", "c"]
    assert await db.write_together(put_all, "d") == "d"


async def test_who_gives_up_takes_nobody_along(db: Database) -> None:
    """Waiters that are canceled leave the others' items alone, and the next batches run."""
    tasks = [asyncio.create_task(db.write_together(put_all, f"c{i}")) for i in range(200)]
    for _ in range(3):
        await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert None not in [await db.read(find, f"c{i}") for i in range(1, 200, 2)]
    assert await db.write_together(put_all, "after") == "after"


async def test_too_many_items_are_refused(settings: Settings) -> None:
    """Beyond the queue's bound an item is 503 at once; what was taken is written, even when the database is closed then."""
    db = connect(msgspec.structs.replace(settings, write_queue=10))
    await db.open()
    tasks = [asyncio.create_task(db.write_together(put_all, f"q{i}")) for i in range(50)]
    await asyncio.sleep(0)
    await db.close()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, Overloaded) for outcome in outcomes] == [False] * 10 + [True] * 40
    assert outcomes[:10] == [f"q{i}" for i in range(10)]


async def test_what_was_overtaken_runs_again(settings: Settings) -> None:
    """A function that finds its first look outdated runs again, in a new transaction."""
    db = connect(settings)
    await db.open()
    runs: list[int] = []

    async def overtaken(tx: Transaction) -> str:
        runs.append(tx.now)
        await put(tx, f"run {len(runs)}")
        if len(runs) < 3:
            raise Overtaken
        return await put(tx, "done")

    if db.dialect == "postgres":
        assert await db.write(overtaken) == "done"
        assert [await db.read(find, f"run {n}") for n in (1, 2, 3)] == [None, None, "x"]
    else:
        with pytest.raises(Overtaken):  # nobody overtakes the only writer: this is an error of the code
            await db.write(overtaken)
    await db.close()


async def test_what_is_committed_is_copied_from_the_log(tmp_path: Path) -> None:
    """A while after a commit, the SQLite file itself has it: the log is kept short without anybody's commit waiting for it."""
    db = connect(Settings(database_path=tmp_path / "dating.db"))
    await db.open()
    await migrate(db)
    await db.write(put, "copied", "да")

    def read_file() -> list[tuple[str]]:
        # Immutable: SQLite looks at the file alone, as if there were no log.
        with closing(sqlite3.connect(f"file:{tmp_path / 'dating.db'}?immutable=1", uri=True)) as connection:
            return connection.execute("SELECT value FROM facts WHERE name = 'copied'").fetchall()

    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(sqlite3.DatabaseError):  # the tables are in the log, too
                if read_file() == [("да",)]:
                    break
            await asyncio.sleep(0.1)
    await db.close()
