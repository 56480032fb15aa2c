"""No statement reads a big table from end to end, on either database, but for those that have to."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from dating.database.postgres import PARAMETER, numbered
from dating.database.sqlite import split
from tests.kit import Postgres
from tests.unit.test_sql import STATEMENTS

PEOPLE = 4_000
FILL = f"""
CREATE TEMPORARY TABLE n (i BIGINT PRIMARY KEY);
INSERT INTO n WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {PEOPLE}) SELECT i FROM c;
INSERT INTO users (username, username_key, email, email_key, password, created_at)
    SELECT 'n' || i, 'n' || i, 'n' || i || '@x', 'n' || i || '@x', '', i FROM n;
INSERT INTO sessions (user_id, device, name, family, refresh, rotated_at, created_at, used_at, expires_at)
    SELECT n.i, d.i, '', 'f' || n.i || '-' || d.i, '', n.i, n.i, n.i, n.i FROM n JOIN n AS d ON d.i <= 2;
INSERT INTO answers (user_id, key, fingerprint, answer, created_at)
    SELECT n.i, 'k' || k.i, '', '', n.i FROM n JOIN n AS k ON k.i <= 2;
INSERT INTO codes (subject, purpose, code, expires_at) SELECT 's' || i, 'reset', '', i FROM n;
INSERT INTO cells (cell, area, region, land, x, y, z) SELECT i, i % 500, i % 100, i % 10, 0, 0, 1 FROM n;
INSERT INTO profiles (user_id, gender, born, cell, x, y, z, near_lane, area_lane, region_lane, last_active, recency)
    SELECT i, 1 + i % 2, 7000, i, 0, 0, 1, i, i % 500, i % 100, i, i FROM n;
INSERT INTO pairs (low_id, high_id, low_action, low_at, high_action, high_at, matched_at)
    SELECT n.i, n.i + d.i, 'like', n.i, CASE WHEN d.i < 3 THEN 'like' END, CASE WHEN d.i < 3 THEN n.i END,
           CASE WHEN d.i < 3 THEN n.i END
    FROM n JOIN n AS d ON d.i <= 5 WHERE n.i + d.i <= {PEOPLE};
INSERT INTO blocks (blocker_id, blocked_id, created_at) SELECT i, i - 1, i FROM n WHERE i > 1;
INSERT INTO chats (kind, low_id, high_id, last_at, created_at)
    SELECT 'direct', low_id, high_id, low_at, low_at FROM pairs WHERE matched_at IS NOT NULL;
INSERT INTO members (chat_id, user_id, joined_at)
    SELECT id, low_id, 0 FROM chats UNION ALL SELECT id, high_id, 0 FROM chats;
INSERT INTO messages (chat_id, sender_id, content, client_id, created_at)
    SELECT c.id, c.low_id, 'Hello, how are you?', c.id || '-' || n.i, n.i FROM chats AS c JOIN n ON n.i <= 4;
INSERT INTO reads (chat_id, user_id, message_id) SELECT chat_id, sender_id, id FROM messages WHERE id % 4 = 0;
INSERT INTO inbox_heads (user_id, seq) SELECT i, 10 FROM n;
INSERT INTO inbox (user_id, seq, actor_id, event, created_at)
    SELECT n.i, s.i, n.i, '{{"type":"message"}}', n.i FROM n JOIN n AS s ON s.i <= 10;
INSERT INTO handles (user_id, kind, key, sealed) SELECT i, 'mail', 'k', 's' || i FROM n;
INSERT INTO mailboxes (user_id, key, sealed) SELECT i, 'k', 's' || i FROM n;
INSERT INTO contacts (owner_id, sealed) SELECT n.i, 's' || (n.i + d.i) FROM n JOIN n AS d ON d.i <= 5;
INSERT INTO tickets (hash, user_id, identity, dies_at) SELECT 'h' || i, i, '', i FROM n;
DROP TABLE n;
"""
BIG = re.findall(r"INSERT INTO (\w+) \(", FILL)
NAMED = re.compile(r"(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)(?:\s+(?:AS\s+)?(\w+))?")
SCANNED = re.compile(r"SCAN (\w+)(?! VIRTUAL)")

FAIRNESS = ("SHOWN", "UNANSWERED", "MATCHES")

# What has to read everything, and why that is well.
WHOLE = {
    **{f"dating.matching.fairness_queries.{name} profiles": "every six hours: sums over everybody" for name in FAIRNESS},
    "dating.matching.pick_queries.REGIONS profiles": "once a day: where everybody lives",
    "dating.matching.pick_queries.REGIONS cells": "the same",
    "dating.profiles.queries.NO_LONGER_NEW profiles": "once an hour: an index that holds newcomers alone",
    "dating.accounts.queries.DROP_EXPIRED_CODES codes": "once an hour, and what is left is an hour's",
    "dating.realtime.redis_tickets.ERASE tickets": "a ticket lives for half a minute, and only while Redis is away",
    "dating.matching.candidate_queries.CELLS_EARTH cells": "nearest first, anywhere: it walks the cells instead of people",
}
WHOLES = {
    name: sql
    for name, sql in STATEMENTS.items()
    if not any(sql != other and other.startswith(sql.rstrip()) for other in STATEMENTS.values())
}


def list_nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan and all below it."""
    yield plan
    for below in plan.get("Plans", []):
        yield from list_nodes(below)


def find_scans_on_sqlite(connection: sqlite3.Connection, sql: str) -> set[str]:
    """The big tables that SQLite reads from end to end."""
    aliases = {alias: table for table, alias in NAMED.findall(sql) if alias} | {table: table for table in BIG}
    steps = connection.execute(f"EXPLAIN QUERY PLAN {sql}", dict.fromkeys(PARAMETER.findall(sql))).fetchall()
    scanned = {match[1] for *_, step in steps if (match := SCANNED.search(step))}
    return {aliases[name] for name in scanned if aliases.get(name) in BIG}


async def find_scans_on_postgres(connection: "asyncpg.Connection[Any]", sql: str) -> set[str]:
    """The big tables that PostgreSQL reads from end to end, whatever the parameters are."""
    text, names = numbered(sql)
    plan = msgspec.json.decode(await connection.fetchval(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {text}", *[None] * len(names)))
    nodes = list_nodes(plan[0]["Plan"])
    return {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG}


@pytest.fixture
def filled_sqlite(sqlite_template: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A populated SQLite database. As in a server it is not analyzed: plans follow from the schema alone."""
    path = tmp_path / "filled.db"
    path.write_bytes(sqlite_template.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        for statement in split(FILL):
            connection.execute(statement)
        yield connection


@pytest.fixture
async def filled_postgres(postgres: Postgres, postgres_template: str) -> Any:
    """A populated PostgreSQL database with fresh statistics, as the server keeps them itself."""
    connection = await asyncpg.connect(postgres.create("filled", postgres_template))
    await connection.execute(FILL)
    await connection.execute("ANALYZE")
    yield connection
    await connection.close()
    postgres.drop("filled")


def test_sqlite_searches(filled_sqlite: sqlite3.Connection) -> None:
    """SQLite finds its rows by an index, in every statement."""
    found = {f"{name} {table}" for name, sql in WHOLES.items() for table in find_scans_on_sqlite(filled_sqlite, sql)}
    assert found <= set(WHOLE)


async def test_postgres_searches(filled_postgres: "asyncpg.Connection[Any]") -> None:
    """PostgreSQL does too."""
    found = {f"{name} {table}" for name, sql in WHOLES.items() for table in await find_scans_on_postgres(filled_postgres, sql)}
    assert found <= set(WHOLE)
