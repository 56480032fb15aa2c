"""The SQL of finding. The index gives candidates; what is open to me is asked as everywhere else."""

import json
from collections.abc import Sequence

from dating.chat.conditions import LIFTED, OPEN, SEEN
from dating.chat.history_queries import SHOWN
from dating.chat.message_models import MessageRow
from dating.database import Transaction
from dating.search.models import Look, NameRow, Reach

# --- messages ---------------------------------------------------------------------------------------------------------------

# Each chat is looked up by itself: joined, PostgreSQL reads all chats to find the groups. Direct chats are one row, 0.
REACH = """
WITH seats AS MATERIALIZED (
    SELECT seat.chat_id,
           (SELECT c.last_at FROM chats AS c WHERE c.id = seat.chat_id AND c.kind = 'group' AND c.closed_at IS NULL) AS last_at,
           (SELECT c.message_count FROM chats AS c WHERE c.id = seat.chat_id) AS said
    FROM members AS seat WHERE seat.user_id = :me AND seat.left_at IS NULL)
SELECT CASE WHEN s.last_at IS NULL THEN 0 ELSE s.chat_id END AS group_id, CAST(SUM(s.said) AS BIGINT) AS said,
       (SELECT MAX(id) FROM messages) AS newest_id
FROM seats AS s GROUP BY CASE WHEN s.last_at IS NULL THEN 0 ELSE s.chat_id END ORDER BY MAX(s.last_at) DESC
"""
# The late ones that have every one of the words, in one of the three ways in which it may be (whatever lacks `part` has none of
# them); and behind them how many were looked through, with the first of those.
LOOK = """
WITH late AS MATERIALIZED (
    SELECT m.id FROM members AS seat JOIN messages AS m ON m.chat_id = seat.chat_id
    WHERE seat.user_id = :me AND seat.left_at IS NULL AND m.id >= :first AND m.id < :before_id ORDER BY m.id DESC LIMIT :limit),
given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:patterns AS TEXT))),
p AS MATERIALIZED (SELECT v ->> 0 AS part, v ->> 1 AS begun, v ->> 2 AS formed, v ->> 3 AS plain FROM given)
SELECT w.message_id AS id, 0 AS looked FROM late CROSS JOIN message_words AS w
WHERE w.message_id = late.id AND NOT EXISTS (SELECT 1 FROM p WHERE NOT (instr(w.words, p.part) > 0 AND (
    instr(w.words, p.begun) > 0 OR instr(w.words || ' ', p.formed) > 0 OR instr(w.words || ' ', p.plain) > 0)))
UNION ALL SELECT COALESCE(MIN(id), 0), COUNT(*) FROM late
"""
# A function over tsvector and GIN on PostgreSQL, an FTS5 table on SQLite.
CANDIDATES = """
SELECT rowid FROM message_fts(CAST(:query AS TEXT)) WHERE rowid < :before_id ORDER BY rowid DESC LIMIT :limit
"""
# Picked before they are joined: else both databases look through all that was ever said in my chats, SQLite for the order of
# the joins, PostgreSQL from a statement's sixth time on, when it plans for anybody.
FOUND = f"""
WITH picked AS MATERIALIZED (
    SELECT * FROM messages WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))))
SELECT {SHOWN}
FROM picked AS m CROSS JOIN chats AS c CROSS JOIN members AS mine
WHERE c.id = m.chat_id AND mine.chat_id = m.chat_id AND mine.user_id = :me AND mine.left_at IS NULL
  AND m.deleted_at IS NULL AND {OPEN} AND {SEEN} ORDER BY m.id DESC
"""


async def read_reach(tx: Transaction, me: int) -> Reach:
    """How far my chats reach."""
    rows = await tx.all(tuple, REACH, me=me)
    groups = [group_id for group_id, _, _ in rows if group_id]
    return Reach(groups, sum(said for _, said, _ in rows), rows[0][2] or 0 if rows else 0)


async def look(tx: Transaction, me: int, patterns: Sequence[Sequence[str]], first: int, before_id: int, limit: int) -> Look:
    """Look through the newest `limit` messages of my chats between two ids, whether I may see them or not."""
    *hits, (lowest, looked) = await tx.all(
        tuple, LOOK, me=me, patterns=json.dumps(patterns), first=first, before_id=before_id, limit=limit
    )
    return Look(sorted((id_ for id_, _ in hits), reverse=True), looked, lowest)


async def list_candidates(tx: Transaction, query: str, before_id: int, limit: int) -> list[int]:
    """Messages that fit a query, the newest first, whoever may see them."""
    return await tx.all(int, CANDIDATES, query=query, before_id=before_id, limit=limit)


async def list_found(tx: Transaction, me: int, ids: Sequence[int]) -> list[MessageRow]:
    """Those of the messages that I may see, the newest first."""
    return await tx.all(MessageRow, FOUND, me=me, ids=json.dumps(ids), now=tx.now)


# --- names ------------------------------------------------------------------------------------------------------------------

# Every one of the words, each given by its bounds, is among the names of something.
BOUNDS = """
given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:words AS TEXT))),
w AS MATERIALIZED (SELECT v ->> 'first' AS first, v ->> 'beyond' AS beyond FROM given)
"""
CHATS = f"""
WITH {BOUNDS}
SELECT c.id FROM members AS mine JOIN chats AS c ON c.id = mine.chat_id
WHERE mine.user_id = :me AND mine.left_at IS NULL AND {OPEN}
  AND NOT EXISTS (SELECT 1 FROM w WHERE NOT EXISTS (
      SELECT 1 FROM names AS n
      WHERE n.kind = CASE c.kind WHEN 'group' THEN 'chat' ELSE 'person' END
        AND n.id = CASE c.kind WHEN 'group' THEN c.id ELSE c.low_id + c.high_id - :me END
        AND n.word >= w.first AND n.word < w.beyond))
  AND (CAST(:before_id AS BIGINT) = 0 OR ({LIFTED}, c.id) < (
      SELECT CASE WHEN o.sunk_at = b.last_at THEN o.lifted_at ELSE b.last_at END, b.id
      FROM chats AS b JOIN members AS o ON o.chat_id = b.id
      WHERE b.id = :before_id AND o.user_id = :me))
ORDER BY {LIFTED} DESC, c.id DESC LIMIT :limit
"""
# Everybody is met once: at the first of their words that fits. With one lower bound alone: of two, PostgreSQL may begin at the
# lower one, and read all names up to the other.
NAMED = """
SELECT n.word, n.id FROM names AS n
WHERE n.kind = 'person' AND n.word < :beyond AND (n.word, n.id) > (:after, :id)
  AND NOT EXISTS (
      SELECT 1 FROM names AS e WHERE e.kind = 'person' AND e.id = n.id AND e.word >= :first AND e.word < n.word)
ORDER BY n.word, n.id LIMIT :limit
"""
# Whoever is paused or incognito is found by those alone who have a chat with them.
MEETABLE = f"""
WITH {BOUNDS}
SELECT p.user_id FROM profiles AS p JOIN people AS u ON u.id = p.user_id
WHERE p.user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) AND p.user_id <> :me
  AND NOT EXISTS (SELECT 1 FROM unwanted WHERE viewer_id = :me AND other_id = p.user_id)
  AND (p.discoverable OR EXISTS (
      SELECT 1 FROM chats AS c
      WHERE c.low_id = CASE WHEN p.user_id < :me THEN p.user_id ELSE :me END
        AND c.high_id = CASE WHEN p.user_id < :me THEN :me ELSE p.user_id END AND c.closed_at IS NULL))
  AND NOT EXISTS (SELECT 1 FROM w WHERE NOT EXISTS (
      SELECT 1 FROM names AS n
      WHERE n.kind = 'person' AND n.id = p.user_id AND n.word >= w.first AND n.word < w.beyond))
"""


async def list_chats(tx: Transaction, me: int, bounds: Sequence[dict[str, str]], before_id: int, limit: int) -> list[int]:
    """My open chats whose group, or other person, is called so; newest activity first, after `before_id` when that is not 0."""
    return await tx.all(int, CHATS, me=me, words=json.dumps(bounds), before_id=before_id, limit=limit)


async def list_named(tx: Transaction, bounds: dict[str, str], after: str, id_: int, limit: int) -> list[NameRow]:
    """People with a word between the bounds, whoever may see them, by word and id, after that pair."""
    after, id_ = max((after, id_), (bounds["first"], 0))
    return await tx.all(NameRow, NAMED, **bounds, after=after, id=id_, limit=limit)


async def keep_meetable(tx: Transaction, me: int, ids: Sequence[int], bounds: Sequence[dict[str, str]]) -> set[int]:
    """Those of the people who have all the words and whom I may find."""
    return set(await tx.all(int, MEETABLE, me=me, ids=json.dumps(ids), words=json.dumps(bounds)))
