"""Brings a database to the schema of this code: migrations/*.sql, once each, in order of their names, on either database.

A file is `NNNN_name.sql` for both databases, or `NNNN_name.sqlite.sql` / `.postgres.sql` where they must differ. Forward only:
each file runs in one transaction together with its row in the `migrations` table; a file that was changed after it had been
applied is refused by its checksum. Several starters at once are safe: they queue on a lock, and each looks again first.

One phrase is translated: `BIGSERIAL PRIMARY KEY` reads `INTEGER PRIMARY KEY AUTOINCREMENT` on SQLite, where nothing else makes
an id that is counted by the database and never used again.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from dating.database import Database, Transaction

LEDGER = """
CREATE TABLE IF NOT EXISTS migrations (
    name TEXT PRIMARY KEY,
    checksum TEXT NOT NULL,
    applied_at BIGINT NOT NULL
)
"""
APPLIED = "SELECT name, checksum FROM migrations"
RECORD = "INSERT INTO migrations (name, checksum, applied_at) VALUES (:name, :checksum, :now)"


class SchemaError(Exception):
    """The database and the code do not belong together."""


class Migration(msgspec.Struct, frozen=True):
    """One file: its name without the endings, and its text for the database at hand."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


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
    await db.write(prepare)
    done: list[str] = []
    for number, migration in enumerate(migrations, 1):
        if await db.write(apply, migration):
            done.append(migration.name)
        on_step(migration, number, len(migrations))
    return done


async def prepare(tx: Transaction) -> None:
    """Make the ledger."""
    await tx.lock()
    await tx.script(LEDGER)


async def apply(tx: Transaction, migration: Migration) -> bool:
    """Apply one migration unless it is applied already; whether it was done here. Raises SchemaError."""
    await tx.lock()
    known = {row.name: row.checksum for row in await tx.all(Applied, APPLIED)}
    if migration.name in known:
        if known[migration.name] != migration.checksum:
            raise SchemaError(f"The migration {migration.name} was changed after it had been applied.")
        return False
    await tx.script(migration.text)
    await tx.run(RECORD, name=migration.name, checksum=migration.checksum, now=tx.now)
    return True


async def pending(db: Database, *, directory: Path | None = None) -> list[str]:
    """The names of the migrations that this database still lacks."""
    names = [migration.name for migration in load(db.dialect, directory)]
    await db.write(prepare)
    known = {row.name for row in await db.read(applied)}
    return [name for name in names if name not in known]


async def applied(tx: Transaction) -> list[Applied]:
    """What the ledger holds."""
    return await tx.all(Applied, APPLIED)
