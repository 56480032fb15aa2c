"""Fills tables the fast way: in bulk, without durability, and without indexes and foreign keys, which are made afterwards."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import Any

import asyncpg

from dating.settings import Settings

Add = Callable[[str, Sequence[str], Iterable[tuple[Any, ...]]], Awaitable[None]]
"""Adds rows to a table: its name, the columns, and the rows in the order of the key."""

INDEXES = """
SELECT name, sql FROM sqlite_master
WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN (SELECT value FROM json_each('["users","cells","profiles","pairs"]'))
"""
FAST = ["journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000", "threads = 2"]
SERVED_INDEXES = """
SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY (ARRAY['users', 'cells', 'profiles', 'pairs']::regclass[])
  AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
"""
FOREIGN_KEYS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = ANY (ARRAY['profiles', 'pairs']::regclass[]) AND contype = 'f'
"""
FASTER = "SET synchronous_commit = off; SET maintenance_work_mem = '1GB'; SET max_parallel_maintenance_workers = 2"


def filling(settings: Settings, after: Sequence[str]) -> AbstractAsyncContextManager[Add]:
    """For a database that nobody else is connected to. `after`: statements that run when every index is back."""
    return fill_served(settings.database_url, after) if settings.database_url else fill_embedded(settings, after)


@asynccontextmanager
async def fill_embedded(settings: Settings, after: Sequence[str]) -> AsyncIterator[Add]:
    """The SQLite file."""
    with closing(sqlite3.connect(settings.database_path, isolation_level=None, check_same_thread=False)) as connection:
        for pragma in FAST:
            connection.execute(f"PRAGMA {pragma}")
        indexes = connection.execute(INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")

        async def add(table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
            names, places = ", ".join(columns), ", ".join("?" * len(columns))
            connection.execute("BEGIN")
            await asyncio.to_thread(connection.executemany, f"INSERT INTO {table} ({names}) VALUES ({places})", rows)
            connection.execute("COMMIT")

        yield add
        for _, sql in indexes:
            await asyncio.to_thread(connection.execute, sql)
        for script in [*after, "ANALYZE", "PRAGMA journal_mode = WAL"]:
            await asyncio.to_thread(connection.executescript, script)


@asynccontextmanager
async def fill_served(url: str, after: Sequence[str]) -> AsyncIterator[Add]:
    """The PostgreSQL database. The foreign keys hold again for what comes later; what is here is not looked through."""
    connection = await asyncpg.connect(url)
    await connection.execute(FASTER)
    indexes, keys = await connection.fetch(SERVED_INDEXES), await connection.fetch(FOREIGN_KEYS)
    for table, name, _ in keys:
        await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, _ in indexes:
        await connection.execute(f"DROP INDEX {name}")

    async def add(table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
        await connection.copy_records_to_table(table, records=rows, columns=columns)

    yield add
    for _, sql in indexes:
        await connection.execute(sql)
    for table, name, definition in keys:
        await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID")
    for script in [*after, "SELECT setval('users_id_seq', (SELECT MAX(id) FROM users))", "VACUUM ANALYZE"]:
        await connection.execute(script)
    await connection.close()
