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
# Person 1 has a chat with everybody from 3001 to 3300, 20 messages in each, and 3,000 in the last one.
TALKATIVE = """
INSERT INTO chats (kind, low_id, high_id, message_count, last_at, created_at)
    SELECT 'direct', 1, i, 20, i, i FROM generate_series(3001, 3300) AS i;
INSERT INTO members (chat_id, user_id, joined_at)
    SELECT c.id, u.id, 0 FROM chats AS c JOIN users AS u ON u.id IN (c.low_id, c.high_id) WHERE c.message_count = 20;
INSERT INTO messages (chat_id, sender_id, content, created_at)
    SELECT c.id, c.high_id, 'Hello, how are you?', i FROM generate_series(1, 20) AS i CROSS JOIN chats AS c
    WHERE c.message_count = 20 ORDER BY i, c.id;
INSERT INTO messages (chat_id, sender_id, content, created_at)
    SELECT MAX(c.id), 3300, 'And then?', i FROM generate_series(1, 3000) AS i CROSS JOIN chats AS c GROUP BY i ORDER BY i;
INSERT INTO message_words (message_id, words) SELECT m.id, '1_hello 1_how 1_are 1_you' FROM messages AS m;
INSERT INTO names (kind, word, id) SELECT 'person', username, id FROM users;
"""
CHATS = "(SELECT json_agg(id) FROM (SELECT id FROM chats WHERE low_id = 1 ORDER BY id DESC LIMIT 20) AS c)"
MESSAGES = "(SELECT json_agg(id) FROM (SELECT id FROM messages ORDER BY id DESC LIMIT 30) AS m)"
PEOPLE_MET = "(SELECT json_agg(high_id) FROM chats WHERE low_id = 1 AND message_count = 20)"
LAST_CHAT = "(SELECT MAX(chat_id) FROM messages)"
SOON = "9000000000000000"
PATTERNS = """'[["hell", "_hello", "_=hello ", "_hello "]]'"""
# Statements that join a list, or what belongs to many, with what belongs to somebody; and what person 1 would ask.
HOT: dict[str, dict[str, str]] = {
    "chat.queries.LIST": {"before_id": "0", "limit": "20", "offset": "0"},
    "chat.queries.REQUESTS": {"before_id": "0", "limit": "20", "offset": "0"},
    "chat.queries.THESE": {"ids": CHATS},
    "chat.queries.ONE": {"chat_id": LAST_CHAT},
    "chat.queries.UNREAD": {},
    "chat.access_queries.SEE": {"chat_id": LAST_CHAT},
    "chat.access_queries.HEARERS": {"chat_id": LAST_CHAT},
    "chat.history_queries.OLDER": {"chat_id": LAST_CHAT, "before_id": SOON, "limit": "5"},
    "chat.history_queries.NEWER": {"chat_id": LAST_CHAT, "after_id": "0", "before_id": SOON, "limit": "5"},
    "chat.history_queries.REACTIONS": {"ids": MESSAGES},
    "chat.hold_queries.LATEST": {"ids": CHATS},
    "search.queries.REACH": {},
    "search.queries.LOOK": {
        "patterns": PATTERNS,
        "first": "(SELECT MAX(id) - 400 FROM messages)",
        "before_id": SOON,
        "limit": "300",
    },
    "search.queries.FOUND": {"ids": MESSAGES},
    "search.queries.CHATS": {"words": """'[{"first": "n3", "beyond": "n4"}]'""", "before_id": "0", "limit": "20"},
    "search.queries.MEETABLE": {"words": """'[{"first": "n3", "beyond": "n4"}]'""", "ids": PEOPLE_MET},
    "safety.report_queries.BEFORE": {"chat_id": LAST_CHAT, "message_id": SOON},
    "profiles.queries.CARDS": {"ids": PEOPLE_MET},
    "matching.queries.MATCHES": {"last_seen_id": "NULL", "limit": "20", "offset": "0"},
    "matching.queries.FOLLOWERS": {"last_seen_id": "NULL", "limit": "20", "offset": "0"},
    "matching.deck_queries.PERSONS": {"ids": PEOPLE_MET},
    "matching.deck_queries.STANDINGS": {"ids": PEOPLE_MET},
    "realtime.inbox.SINCE": {"after": "0", "limit": "100"},
    "accounts.queries.VISIBLE": {"ids": PEOPLE_MET},
    "presence.queries.SIGHTS": {"looks": "'[[1, 3001, 0], [1, 3002, 0]]'"},
}
ME = {"me": "1", "me_id": "1", "user_id": "1", "viewer_id": "1", "now": SOON}
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
    "dating.accounts.queries.LATELY_GONE users": "once an hour: whoever has left since",
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


async def count_pages(connection: "asyncpg.Connection[Any]", name: str, mode: str) -> int:
    """How many pages PostgreSQL looks at when person 1 asks, by its plan for person 1 or by that for anybody."""
    text, names = numbered(STATEMENTS[f"dating.{name}"])
    types = ", ".join(one.name for one in (await connection.prepare(text)).get_parameters())
    await connection.execute(f"SET plan_cache_mode = {mode}; PREPARE asked ({types}) AS {text}")
    values = [await connection.fetchval(f"SELECT CAST({(ME | HOT[name])[one]} AS TEXT)") for one in names]
    spelled = ", ".join("NULL" if value is None else f"'{value}'" for value in values)
    plan = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked ({spelled})")
    await connection.execute("DEALLOCATE asked")
    top = msgspec.json.decode(plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


async def test_a_plan_for_anybody_reads_no_more(filled_postgres: "asyncpg.Connection[Any]") -> None:
    """Statements are planned once, for anybody (see decision 34): somebody with 300 chats pays for that with no page more."""
    await filled_postgres.execute(TALKATIVE)
    await filled_postgres.execute("ANALYZE")
    worse = {}
    for name in HOT:
        await count_pages(filled_postgres, name, "force_custom_plan")  # sets hints that others then need not set
        own, anybody = [await count_pages(filled_postgres, name, f"force_{mode}_plan") for mode in ("custom", "generic")]
        if anybody > 1.5 * own + 100:
            worse[name] = (own, anybody)
    assert worse == {}
