"""The SQL of the index: what is noted, and what is written down of it."""

import json
from collections.abc import Sequence

import msgspec

from dating.database import Transaction
from dating.search.models import Backfill, Called, Due, Lot, Terms, Text

STEP = 1000  # ids of what is older that are noted at once
LEASE = "index"

DUE = """
SELECT EXISTS (SELECT 1 FROM lots) OR EXISTS (SELECT 1 FROM unindexed WHERE kind = 'message') AS messages,
       EXISTS (SELECT 1 FROM unindexed WHERE kind = 'person') AS people,
       EXISTS (SELECT 1 FROM unindexed WHERE kind = 'chat') AS chats,
       EXISTS (SELECT 1 FROM backfills) AS older
WHERE NOT EXISTS (SELECT 1 FROM leases WHERE name = :name AND holder <> :holder AND ends_at > :now)
"""
TAKE_LEASE = """
INSERT INTO leases (name, holder, ends_at) VALUES (:name, :holder, :ends_at)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends_at = excluded.ends_at
WHERE leases.holder = excluded.holder OR leases.ends_at <= :now
"""
LOTS = "SELECT id, messages FROM lots ORDER BY id LIMIT :limit"
TAKE_LOTS = "DELETE FROM lots WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) RETURNING id"
NOTED = "SELECT id FROM unindexed WHERE kind = :kind ORDER BY id LIMIT :limit"
# In the order of their ids, as everybody else takes them.
TAKE = """
DELETE FROM unindexed
WHERE kind = :kind AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) RETURNING id
"""
TEXTS = """
SELECT m.id, m.chat_id, c.low_id, c.high_id, m.content, m.edited_at FROM messages AS m JOIN chats AS c ON c.id = m.chat_id
WHERE m.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) AND m.kind = 'text' AND m.deleted_at IS NULL
"""
GIVEN = """
given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:terms AS TEXT))),
d AS MATERIALIZED (
    SELECT CAST(v ->> 0 AS BIGINT) AS id, CAST(v ->> 1 AS BIGINT) AS edited_at, v ->> 2 AS words FROM given)
"""
ADD_TERMS = f"""
INSERT INTO message_words (message_id, words)
WITH {GIVEN}
SELECT d.id, d.words FROM d JOIN messages AS m ON m.id = d.id
WHERE m.deleted_at IS NULL AND m.edited_at IS NOT DISTINCT FROM d.edited_at
ON CONFLICT (message_id) DO UPDATE SET words = excluded.words
"""
NOTE_CHANGED = f"""
INSERT INTO unindexed (kind, id)
WITH {GIVEN}
SELECT 'message', d.id FROM d JOIN messages AS m ON m.id = d.id
WHERE m.deleted_at IS NULL AND m.edited_at IS DISTINCT FROM d.edited_at
ON CONFLICT (kind, id) DO NOTHING
"""
CALLED_PEOPLE = """
SELECT u.id, COALESCE(p.name, '') || ' ' || u.username AS name FROM users AS u JOIN profiles AS p ON p.user_id = u.id
WHERE u.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) AND u.deleted_at IS NULL
"""
CALLED_CHATS = """
SELECT id, COALESCE(name, '') AS name FROM chats
WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) AND kind = 'group'
"""
DROP_NAMES = """
DELETE FROM names WHERE kind = :kind AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""
ADD_NAME = "INSERT INTO names (kind, word, id) VALUES (:kind, :word, :id)"

OLDER = "SELECT kind, before_id FROM backfills ORDER BY kind LIMIT 1"
NOTE_OLDER = {
    kind: f"""
    INSERT INTO unindexed (kind, id) SELECT '{kind}', id FROM {table} WHERE id >= :first AND id < :before_id
    ON CONFLICT (kind, id) DO NOTHING"""
    for kind, table in (("message", "messages"), ("person", "users"), ("chat", "chats"))
}
GO_DOWN = "UPDATE backfills SET before_id = :first WHERE kind = :kind AND before_id > :first"
ARRIVE = "DELETE FROM backfills WHERE before_id <= 1"

PAGES = "SELECT pages FROM merging"
MERGE = "UPDATE merging SET pages = CAST(:pages AS BIGINT)"


async def find_due(tx: Transaction, holder: str) -> Due | None:
    """What there is to do; None while another process has the lease."""
    return await tx.one(Due, DUE, name=LEASE, holder=holder, now=tx.now)


async def take_lease(tx: Transaction, holder: str, span: int) -> bool:
    """Be the one who indexes for `span` microseconds; False when another process is."""
    return await tx.run(TAKE_LEASE, name=LEASE, holder=holder, now=tx.now, ends_at=tx.now + span) == 1


async def list_lots(tx: Transaction, limit: int) -> list[Lot]:
    """The next lots of new messages."""
    return await tx.all(Lot, LOTS, limit=limit)


async def take_lots(tx: Transaction, ids: Sequence[int]) -> set[int]:
    """Those of the lots that nobody else has indexed meanwhile; from now on, nobody changes a message until this is over."""
    return set(await tx.all(int, TAKE_LOTS, ids=json.dumps(ids)))


async def list_noted(tx: Transaction, kind: str, limit: int) -> list[int]:
    """The next ids of this kind to index."""
    return await tx.all(int, NOTED, kind=kind, limit=limit)


async def take_notes(tx: Transaction, kind: str, ids: Sequence[int]) -> set[int]:
    """Those of the ids that nobody else has indexed meanwhile; they are noted no more."""
    return set(await tx.all(int, TAKE, kind=kind, ids=json.dumps(ids)))


async def list_texts(tx: Transaction, ids: Sequence[int]) -> list[Text]:
    """What these messages say."""
    return [Text(*row) for row in await tx.all(tuple, TEXTS, ids=json.dumps(ids))]


async def add_terms(tx: Transaction, terms: Sequence[Terms]) -> int:
    """Write down the words of messages that have not changed since; of how many."""
    return await tx.run(ADD_TERMS, terms=msgspec.json.encode(terms).decode())


async def note_changed(tx: Transaction, terms: Sequence[Terms]) -> None:
    """Note the others again."""
    await tx.run(NOTE_CHANGED, terms=msgspec.json.encode(terms).decode())


async def list_called(tx: Transaction, kind: str, ids: Sequence[int]) -> list[Called]:
    """How these people, or groups, are called now."""
    return await tx.all(Called, CALLED_PEOPLE if kind == "person" else CALLED_CHATS, ids=json.dumps(ids))


async def replace_names(tx: Transaction, kind: str, ids: Sequence[int], words: Sequence[tuple[int, str]]) -> None:
    """Let these be found by these words alone."""
    await tx.run(DROP_NAMES, kind=kind, ids=json.dumps(ids))
    await tx.many(ADD_NAME, [{"kind": kind, "word": word, "id": id_} for id_, word in words])


async def note_older(tx: Transaction) -> bool:
    """Note the next of what was there before the search came; False when all of it is."""
    older = await tx.one(Backfill, OLDER)
    if older is None:
        return False
    first = max(1, older.before_id - STEP)
    await tx.run(NOTE_OLDER[older.kind], first=first, before_id=older.before_id)
    await tx.run(GO_DOWN, kind=older.kind, first=first)
    await tx.run(ARRIVE)
    return True


async def count_pages(tx: Transaction) -> int:
    """How many pages of the index there are to merge; 0 when nothing was removed."""
    return await tx.one(int, PAGES) or 0


async def merge(tx: Transaction, pages: int) -> None:
    """Merge so many pages at most. Below 0: begin, with everything."""
    await tx.run(MERGE, pages=pages)
