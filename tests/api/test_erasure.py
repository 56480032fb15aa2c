"""Deleting an account: a marker in every column of every table, and none of them afterwards.

The rows come from the schema: texts are the marker, numbers are the id of the person who leaves, so that every foreign key fits
and everything that is about the person can be found by looking. What a check refuses stands in `ROWS`.
"""

import sqlite3
from contextlib import closing
from typing import Any, NamedTuple

import asyncpg
import pytest

from dating.accounts import registry, service
from dating.accounts.codes import seal_address
from dating.accounts.models import Account
from dating.search import indexing
from dating.settings import Settings
from dating.tokens import hash_secret
from tests.api.test_bad_input import read_everything
from tests.cluster.valkey import Valkey
from tests.kit import PASSWORD, Api

MARK = "маркер"
GONE, OTHER = 1_987_654_321, 1_000_000_001  # who leaves and who stays; the first fits every integer column
WORDS = f"""{{"type":"message","id":1,"chat_id":1,"user_id":{GONE},"content":"{MARK}","created_at":"2026-11-20T09:00:00.000Z"}}"""

Row = dict[str, Any]


def other(user_id: int) -> Row:
    """Somebody who stays."""
    name = f"person{user_id % 10}"
    absent = dict.fromkeys(("email", "email_key", "email_verified_at", "banned_at", "suspended_until", "deleted_at"))
    return {"id": user_id, "role": "user", "username": name, "username_key": name, "password": "", "created_at": 1, **absent}


SIDES = ({"low_id": OTHER, "high_id": GONE}, {"low_id": GONE, "high_id": GONE + 1})
GROUP, IN_GROUP = 1_000_000_002, 1_000_000_003
MESSAGE = {"kind": "text", "form": "poll"}
PAST = dict.fromkeys(("created_at", "expires_at", "deleted_at"), 1)
NOBODY = dict.fromkeys(("low_id", "high_id", "name", "photo_url", "closed_at", "asker_id", "request"))
EMPTY_GROUP = {"kind": "group", "id": GROUP, "message_count": 1, "last_at": 1, "before_at": 1, "created_at": 1, **NOBODY}
ROLE_OF_OTHER = {
    **dict.fromkeys(("read_id", "read_count", "delivered_id", "joined_at", "since_id", "sunk_at", "lifted_at"), 1),
    **dict.fromkeys(("pinned_at", "left_at")),
    "role": "member",
    "chat_id": GROUP,
    "user_id": OTHER,
}
ACCUSED = {"accused_id": OTHER, "target_kind": "person", "outcome": "warn"}
ROWS: dict[str, tuple[Row, ...]] = {
    "unindexed": ({"kind": "person"},),
    "users": ({"role": "user", "deleted_at": None}, other(OTHER), other(GONE + 1)),
    "sessions": ({},),
    "codes": ({"purpose": "verify", "subject": "sealed"}, {"purpose": "reset", "subject": "sealed"}),
    "answers": ({},),
    "exports": ({},),
    "inbox": ({}, {"user_id": OTHER, "seq": 1, "event": WORDS, "created_at": 1}),
    "inbox_heads": ({}, {"user_id": OTHER, "seq": 1, "acked": 1}),
    "tickets": ({},),
    "blocks": ({"blocked_id": OTHER}, {"blocker_id": OTHER}),
    "hides": ({"hidden_id": OTHER}, {"hider_id": OTHER}),
    "contacts": ({},),
    "handles": ({"kind": "mail"},),
    "mailboxes": ({},),
    "reports": (ACCUSED, {**ACCUSED, "id": 1, "reporter_id": OTHER, "accused_id": GONE}),
    "statements": ({"action": "warn"},),
    "profiles": (
        {
            "gender": 8,
            "seeks": 15,
            "min_age": 18,
            "max_age": 120,
            "max_distance_km": 50,
            "messages_from": "everyone",
            "dealbreakers": 0,
        },
    ),
    "hidden_words": ({},),
    "newcomer_sends": ({},),
    "newcomers": ({},),
    "screenings": ({}, {"message_id": 1, "sender_id": OTHER}),
    "chats": ({"kind": "direct", "request": "waiting", **SIDES[0]}, EMPTY_GROUP),
    "members": (
        {"role": "member"},
        {"role": "member", "user_id": OTHER},
        {"role": "owner", "chat_id": GROUP, "left_at": None},
        ROLE_OF_OTHER,
    ),
    "messages": (
        MESSAGE,
        MESSAGE | {"id": IN_GROUP, "chat_id": GROUP, "client_id": f"{MARK} in the group", "reply_to_id": IN_GROUP, **PAST},
    ),
    "message_words": ({}, {"message_id": IN_GROUP}),
    "names": ({"kind": "person"},),
    "reads": ({}, {"user_id": OTHER}),
    "edits": ({}, {"message_id": IN_GROUP}),
    "dismissals": ({}, {"message_id": IN_GROUP}),
    "reactions": ({}, {"message_id": IN_GROUP}),
    "pins": ({}, {"message_id": IN_GROUP, "chat_id": GROUP}),
    "polls": ({}, {"message_id": IN_GROUP}),
    "votes": ({}, {"message_id": IN_GROUP}),
    "invites": ({"chat_id": GROUP},),
    "calls": (
        {"media": "audio", "reason": "missed", "callee_id": OTHER},
        {"id": 1_000_000_004, "media": "video", "reason": "missed", "caller_id": OTHER},
    ),
    "call_seats": ({}, {"user_id": OTHER}),
    "call_signals": ({"kind": "offer"}, {"kind": "answer", "n": 1, "user_id": OTHER}),
    "pairs": tuple({"low_action": "like", "high_action": "superlike", **side} for side in SIDES),
    "likes_used": ({},),
    "spent": ({"kind": "boost"},),
    "boosts": ({},),
    "superlikes": ({"receiver_id": OTHER}, {"sender_id": OTHER}),
    "picks": SIDES,
    "standings": ({},),
    "lessons": ({"shown_id": OTHER}, {"viewer_id": OTHER}),
    "exposures": ({"shown_id": OTHER}, {"viewer_id": OTHER}),
    "reveals": ({},),
}
"""The rows to plant in each table: what differs from the marker and the id."""

STAYS = {
    ("users", "id"): "the tombstone",
    ("users", "username_key"): "the tombstone: # and the id",
    ("inbox", "actor_id"): "a number without a name in other people's logs, which are trimmed by their age",
    ("inbox", "event"): "the same",
    ("messages", "sender_id"): "that there was a message to a group, by somebody who left",
}
"""Where the id, never the marker, may be found afterwards, and why."""


class Column(NamedTuple):
    """One column of the schema."""

    table: str
    name: str
    kind: str


COLUMNS = {
    "sqlite": """
        SELECT t.name || ' ' || c.name || ' ' || c.type FROM pragma_table_list t JOIN pragma_table_info(t.name) c
        WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid""",
    "postgres": """
        SELECT c.table_name || ' ' || c.column_name || ' ' || UPPER(c.data_type) FROM information_schema.columns c
        JOIN information_schema.tables t ON t.table_name = c.table_name AND t.table_type = 'BASE TABLE'
        WHERE c.table_schema = 'public' AND t.table_schema = 'public' ORDER BY c.table_name, c.ordinal_position""",
}


async def read_columns(api: Api) -> list[Column]:
    """Every column of every table."""
    db = api.app.state.db

    async def look(tx: Any) -> list[str]:
        return list(await tx.all(str, COLUMNS[db.dialect]))

    return [Column(*line.split(" ", 2)) for line in await db.read(look)]


def fill(kind: str) -> Any:
    """What a column of this type gets."""
    return {"TEXT": MARK, "BOOLEAN": True, "DOUBLE PRECISION": 0.5, "REAL": 0.5, "SMALLINT": 0}.get(kind, GONE)


def write_rows(columns: list[Column], settings: Settings) -> list[tuple[str, Row]]:
    """What to plant: each table's name with a whole row."""
    rows = []
    for table, changes in ROWS.items():
        whole = {column.name: fill(column.kind) for column in columns if column.table == table}
        for change in changes:
            row = whole | change
            if row.get("subject") == "sealed":
                row["subject"] = seal_address(settings, MARK)
            rows.append((table, row))
    return rows


HELP = "is not planted: give it a row in ROWS of tests/api/test_erasure.py that its checks accept"


async def plant(api: Api, settings: Settings, rows: list[tuple[str, Row]]) -> None:
    """Write the rows past the server, without looking at foreign keys."""
    if api.app.state.db.dialect == "sqlite":
        with closing(sqlite3.connect(settings.database_path)) as connection, connection:
            for table, row in rows:
                try:
                    names = ", ".join(f":{name}" for name in row)
                    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({names})", row)
                except sqlite3.Error as error:
                    pytest.fail(f"{table} {HELP}: {error}")
            connection.execute("DELETE FROM lots")  # the number of a message is that of the person here; PostgreSQL notes no lot
        return
    connection = await asyncpg.connect(settings.database_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        for table, row in rows:
            places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
            await connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())
    except asyncpg.PostgresError as error:
        pytest.fail(f"{table} {HELP}: {error}")
    finally:
        await connection.close()


async def search(api: Api, columns: list[Column], word: str) -> set[tuple[str, str]]:
    """The columns in which the word is found."""

    async def look(tx: Any) -> set[tuple[str, str]]:
        found = set()
        for table, name, _ in columns:
            wanted = f"SELECT COUNT(*) FROM {table} WHERE CAST({name} AS TEXT) LIKE '%' || CAST(:word AS TEXT) || '%'"
            if await tx.one(int, wanted, word=word):
                found.add((table, name))
        return found

    return set(await api.app.state.db.read(look))


async def test_every_table_is_registered(api: Api) -> None:
    """A new table says whether it holds something of people, who erases it, and how the marker gets into it."""
    tables = {column.table for column in await read_columns(api)}
    known = registry.PERSONAL.keys() | registry.IMPERSONAL.keys()
    assert tables - known == set(), "add these to PERSONAL (and their eraser to ERASERS) or to IMPERSONAL of accounts/registry.py"
    assert known - tables == set(), "these are registered in accounts/registry.py and exist no more"
    assert registry.PERSONAL.keys() - ROWS.keys() == set(), "give these rows in ROWS of tests/api/test_erasure.py"


async def test_a_marker_in_every_column_is_found_nowhere_after_deletion(api: Api, settings: Settings) -> None:
    """Every text and every number of a person in every table is gone; what stays is named, and is a number."""
    columns = await read_columns(api)
    await plant(api, settings, write_rows(columns, settings))
    personal = [column for column in columns if column.table in registry.PERSONAL]
    texts = {(column.table, column.name) for column in personal if column.kind == "TEXT"}
    checked = {(table, name) for table, rows in ROWS.items() for name in rows[0]}
    assert texts - checked <= await search(api, columns, MARK)

    account = Account(GONE, MARK, MARK, None, MARK, "user", None)
    await api.app.state.db.write(service.erase, settings, account)
    help_ = "a deletion leaves the marker here: the feature's `erase`, walked by accounts/registry.py, must remove it"
    assert await search(api, columns, MARK) == set(), help_
    assert await search(api, columns, str(GONE)) == set(STAYS), help_


async def test_a_marker_survives_nobody_elses_deletion(api: Api, settings: Settings) -> None:
    """Deleting one person changes no row that is only about others."""
    anna, berta, clara = await api.people(3)
    chat_id = await berta.match(clara)
    await berta.say(chat_id, "привет")
    await indexing.keep_up(api.app.state.db, "a test")
    before = await api.app.state.db.read(read_everything, api.app.state.db.dialect)
    assert (await anna.delete("/me", json={"password": PASSWORD})).status_code == 200
    after = await api.app.state.db.read(read_everything, api.app.state.db.dialect)
    assert {table for table in before if before[table] != after[table]} == {"users", "profiles", "names", "sessions"}


async def test_redis_holds_nothing_that_names_a_deleted_person(api: Api, settings: Settings, shared_valkey: Valkey) -> None:
    """No name, address, word or token of theirs is in a key or a value of Redis, whatever its type, before or after."""
    anna = await api.person(MARK, email=f"{MARK}@example.org", device_id=MARK, bio=MARK)
    berta = await api.person()
    await anna.say(await anna.match(berta), MARK)
    ticket = (await anna.post("/ws/start")).json()["session_token"]
    secrets = [MARK, PASSWORD, anna.token, anna.refresh_token, ticket]
    if settings.redis_url is not None:
        held = shared_valkey.read_everything()
        assert hash_secret(ticket) in held
        assert [secret for secret in secrets if secret in held] == []
    assert (await anna.delete("/me", json={"password": PASSWORD})).status_code == 200
    if settings.redis_url is not None:
        held = shared_valkey.read_everything()
        assert [secret for secret in secrets if secret in held] == []


WRITING = ["SET x MARK", "HSET x f MARK", "HSET x MARK 1", "RPUSH x MARK", "SADD x MARK", "ZADD x 1 MARK", "XADD x * f MARK"]


@pytest.mark.parametrize("words", [*WRITING, "SET MARK 1"])
def test_whatever_redis_holds_is_looked_into(shared_valkey: Valkey, words: str) -> None:
    """A word is found in a value of every type, and in the name of a key."""
    shared_valkey.run("FLUSHALL")
    shared_valkey.run(*words.replace("MARK", MARK).split())
    assert MARK in shared_valkey.read_everything()
    shared_valkey.run("FLUSHALL")
