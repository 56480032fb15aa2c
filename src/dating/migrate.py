"""Brings a database to the schema of this code: migrations/*.sql, once each, in order of their names, on either database.

A file is `NNNN_name.sql` for both databases, or `NNNN_name.sqlite.sql` / `.postgres.sql` where they must differ. Forward only:
each file runs in one transaction together with its row in the `migrations` table; a file that was changed after it had been
applied is refused by its checksum. Several starters at once are safe: they queue on a lock, and each looks again first.

Code serves on a schema that is ahead of it, so that a new version can be rolled out beside the old one, until a migration
takes away what old code needs. Such a migration has the line `-- floor: NNNN_name`, which names the migration that the oldest
code that can still serve has as its newest one. Whatever is older refuses to start from then on.

One phrase is translated: `BIGSERIAL PRIMARY KEY` reads `INTEGER PRIMARY KEY AUTOINCREMENT` on SQLite, where nothing else makes
an id that is counted by the database and never used again.
"""

import asyncio
import hashlib
import random
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import msgspec

from dating.database import Database, Locked, Transaction

T = TypeVar("T")
P = ParamSpec("P")

LEDGER = """
CREATE TABLE IF NOT EXISTS migrations (
    name TEXT PRIMARY KEY,
    checksum TEXT NOT NULL,
    applied_at BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS floors (name TEXT PRIMARY KEY)
"""
LEDGERS = {
    "sqlite": "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('migrations', 'floors')",
    "postgres": "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename IN ('migrations', 'floors')",
}
"""How many of the ledger's two tables there are: whoever only reads the schema may not be allowed to make them."""
APPLIED = "SELECT name, checksum FROM migrations"
RECORD = "INSERT INTO migrations (name, checksum, applied_at) VALUES (:name, :checksum, :now)"
RAISE_FLOOR = "INSERT INTO floors (name) VALUES (:name) ON CONFLICT (name) DO NOTHING"
FLOOR = "SELECT MAX(name) FROM floors"
FLOOR_LINE = re.compile(r"^-- floor: (\d{4}_\w+)$", re.MULTILINE)

ATTEMPTS = 60
LONGEST_PAUSE = 1.0  # seconds between two of them


class SchemaError(Exception):
    """The database and the code do not belong together."""


class Migration(msgspec.Struct, frozen=True):
    """One file: its name without the endings, and its text for the database at hand."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def floor(self) -> str | None:
        """The newest migration of the oldest code that can serve from now on, if this one raises that."""
        found = FLOOR_LINE.search(self.text)
        return None if found is None else found[1]


class Applied(msgspec.Struct, frozen=True):
    """A row of the ledger."""

    name: str
    checksum: str


def folder() -> Path:
    """Where the migrations are: inside the installed package, or beside `src/` in a checkout."""
    installed = Path(__file__).parent / "migrations"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "migrations"


def load(dialect: str, directory: Path | None = None) -> list[Migration]:
    """The migrations for one database, in order."""
    files = sorted((directory or folder()).glob("*.sql"))
    return [Migration(file.stem, adapt(dialect, file.read_text())) for file in files if belongs(file, dialect)]


def belongs(file: Path, dialect: str) -> bool:
    """Whether a file is for this database."""
    special = Path(file.stem).suffix
    return special in ("", f".{dialect}")


def adapt(dialect: str, text: str) -> str:
    """The one phrase that has no common spelling."""
    if dialect == "sqlite":
        return text.replace("BIGSERIAL PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT")
    return text


async def migrate(
    db: Database,
    *,
    directory: Path | None = None,
    on_step: Callable[[Migration, int, int], None] = lambda migration, number, total: None,
) -> list[str]:
    """Apply what is missing; return the names of what was applied here. Raises SchemaError."""
    migrations = load(db.dialect, directory)
    await patiently(db, prepare)
    await db.read(check, migrations, db.place)
    done: list[str] = []
    for number, migration in enumerate(migrations, 1):
        if await patiently(db, apply, migration, db.place):
            done.append(migration.name)
        on_step(migration, number, len(migrations))
    return done


async def bring_up(db: Database, *, directory: Path | None = None) -> None:
    """Make sure before serving that schema and code belong together, with the migrations where the settings leave them to us.

    Raises SchemaError with one sentence that says what is wrong, where, and what to do.
    """
    if db.dialect == "sqlite" or db.settings.migrate_at_start:
        await migrate(db, directory=directory)
        return
    if missing := await pending(db, directory=directory):
        many = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise SchemaError(f"{db.place} lacks the migration {missing[0]}{many}: run `dating migrate` first.")


async def patiently(
    db: Database, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], *args: P.args, **options: P.kwargs
) -> T:
    """Write, again and again when somebody holds a lock for longer than we may wait for it: others wait behind who waits."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await db.write(fn, *args, **options)
        except Locked:
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))
    raise AssertionError("unreachable")


async def prepare(tx: Transaction) -> None:
    """Make the ledger."""
    await tx.lock()
    await tx.script(LEDGER)


async def apply(tx: Transaction, migration: Migration, place: str) -> bool:
    """Apply one migration unless it is applied already; whether it was done here. Raises SchemaError."""
    await tx.lock()
    if migration.name in await read_ledger(tx, [migration], place):
        return False
    await tx.script(migration.text)
    await tx.run(RECORD, name=migration.name, checksum=migration.checksum, now=tx.now)
    if migration.floor is not None:
        await tx.run(RAISE_FLOOR, name=migration.floor)
    return True


async def pending(db: Database, *, directory: Path | None = None) -> list[str]:
    """The names of the migrations that this database still lacks; nothing is written. Raises SchemaError."""
    migrations = load(db.dialect, directory)
    if await db.read(count_tables, LEDGERS[db.dialect]) < len(("migrations", "floors")):
        return [migration.name for migration in migrations]
    known = await db.read(check, migrations, db.place)
    return [migration.name for migration in migrations if migration.name not in known]


async def count_tables(tx: Transaction, sql: str) -> int:
    """How many tables the ledger has."""
    return await tx.one(int, sql) or 0


async def check(tx: Transaction, migrations: list[Migration], place: str) -> set[str]:
    """What is applied. Raises SchemaError when a file was changed since, or newer code has left this one behind."""
    known = await read_ledger(tx, migrations, place)
    floor = await tx.one(str, FLOOR)
    newest = max((migration.name for migration in migrations), default="")
    if floor is not None and newest[:4] < floor[:4]:
        raise SchemaError(
            f"{place} was migrated by a newer version, and code without the migration {floor} cannot serve on it any more: "
            f"install that version or a later one (this one ends with {newest})."
        )
    return known


async def read_ledger(tx: Transaction, migrations: list[Migration], place: str) -> set[str]:
    """The names of what is applied. Raises SchemaError when one of these files was changed since."""
    known = {row.name: row.checksum for row in await tx.all(Applied, APPLIED)}
    for migration in migrations:
        if known.get(migration.name, migration.checksum) != migration.checksum:
            raise SchemaError(f"The migration {migration.name} was changed after it had been applied to {place}.")
    return set(known)
