"""Migrations: once each, in order, safe with several starters, refused when changed afterwards."""

import asyncio
from pathlib import Path

import pytest

from dating.database import Database, Locked, Transaction, connect
from dating.migrate import SchemaError, load, migrate, patiently, pending
from dating.settings import Settings

pytestmark = pytest.mark.one_process("asks the database, no server")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "9001_first.sql").write_text("CREATE TABLE first (id BIGSERIAL PRIMARY KEY, name TEXT);\n")
    (folder / "9002_second.sql").write_text("INSERT INTO first (name) VALUES ('a');\nINSERT INTO first (name) VALUES ('b');\n")
    (folder / "9003_only.sqlite.sql").write_text("CREATE TABLE only_sqlite (id INTEGER);\n")
    (folder / "9003_only.postgres.sql").write_text("CREATE TABLE only_postgres (id INTEGER);\n")
    return folder


async def test_each_is_applied_once(db: Database, folder: Path) -> None:
    """The first run applies everything for this database in order, the second nothing."""
    expected = ["9001_first", "9002_second", f"9003_only.{db.dialect}"]
    assert await pending(db, directory=folder) == expected
    assert await migrate(db, directory=folder) == expected
    assert await migrate(db, directory=folder) == []
    assert await pending(db, directory=folder) == []


async def test_several_starters_share_the_work(settings: Settings, folder: Path) -> None:
    """Five processes that start at once apply each migration exactly once."""
    databases = [connect(settings) for _ in range(5)]
    await asyncio.gather(*[db.open() for db in databases])
    done = await asyncio.gather(*[migrate(db, directory=folder) for db in databases])
    await asyncio.gather(*[db.close() for db in databases])
    expected = ["9001_first", "9002_second", f"9003_only.{databases[0].dialect}"]
    assert sorted(name for names in done for name in names) == expected


async def test_a_changed_file_is_refused(db: Database, folder: Path) -> None:
    """A migration whose text changed after it had been applied stops the start, naming the file."""
    await migrate(db, directory=folder)
    (folder / "9001_first.sql").write_text("CREATE TABLE first (id BIGSERIAL PRIMARY KEY);\n")
    with pytest.raises(SchemaError, match="9001_first"):
        await migrate(db, directory=folder)


async def test_a_floor_keeps_older_code_out(db: Database, folder: Path) -> None:
    """A migration that takes away what older code needs names the oldest that can serve: that one can, one before it cannot."""
    drop = folder / "9004_drop.sql"
    drop.write_text("-- What 9002 wrote is not read any more.\n-- floor: 9002_second\nDELETE FROM first;\n")
    await migrate(db, directory=folder)
    drop.unlink()
    (folder / f"9003_only.{db.dialect}.sql").unlink()
    assert await pending(db, directory=folder) == []
    assert await migrate(db, directory=folder) == []
    (folder / "9002_second.sql").unlink()
    for attempt in (pending, migrate):
        with pytest.raises(SchemaError, match=r"newer version.* 9002_second .*ends with 9001_first"):
            await attempt(db, directory=folder)


async def test_a_lock_that_is_held_too_long_is_tried_again(db: Database) -> None:
    """Who waits for a table is waited for by everybody behind, so a migration gives up soon and comes back."""
    tries = iter([True, True, False])

    async def write(tx: Transaction) -> str:
        if next(tries):
            raise Locked
        return "done"

    assert await patiently(db, write) == "done"


async def test_a_failing_migration_leaves_nothing(db: Database, folder: Path) -> None:
    """A migration that breaks half-way leaves no table and no row in the ledger; repaired, it runs."""
    (folder / "9004_bad.sql").write_text("CREATE TABLE half (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(Exception, match="nowhere"):
        await migrate(db, directory=folder)
    assert await pending(db, directory=folder) == ["9004_bad"]
    (folder / "9004_bad.sql").write_text("CREATE TABLE half (id INTEGER);\n")
    assert await migrate(db, directory=folder) == ["9004_bad"]


def test_ids_are_never_used_again_on_sqlite() -> None:
    """The one translated phrase makes SQLite count ids like PostgreSQL does."""
    texts = {dialect: "".join(m.text for m in load(dialect)) for dialect in ("sqlite", "postgres")}
    assert "BIGSERIAL" not in texts["sqlite"]
    assert "AUTOINCREMENT" in texts["sqlite"]
    assert "AUTOINCREMENT" not in texts["postgres"]
