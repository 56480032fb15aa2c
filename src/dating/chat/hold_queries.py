"""The SQL of messages that a classifier is asked about, held or delivered."""

import json
from collections.abc import Sequence

from dating.chat.hold_models import Due, HeldEdit, HeldRow, Screened
from dating.chat.post_models import Post
from dating.chat.post_queries import POSTS, encode, encode_asked
from dating.database import SWEPT, Transaction

KEEP = """
INSERT INTO screenings (message_id, chat_id, sender_id, draft, client_id, due_at, created_at)
VALUES (:message_id, :chat_id, :sender_id, CAST(:draft AS TEXT), CAST(:client_id AS TEXT), :now, :now)
ON CONFLICT (message_id) DO UPDATE SET due_at = excluded.due_at, attempts = 0, edit = NULL
"""
# A later edit takes the place of one that waits, and a moderator who had that one has it no more.
KEEP_EDIT = """
INSERT INTO screenings (message_id, chat_id, sender_id, edit, due_at, created_at)
VALUES (:message_id, :chat_id, :me, CAST(:content AS TEXT), :now, :now)
ON CONFLICT (message_id) DO UPDATE SET edit = excluded.edit, due_at = excluded.due_at, attempts = 0, score = NULL, reason = NULL,
    assignee_id = NULL, created_at = excluded.created_at
"""
DROP_EDIT = "DELETE FROM screenings WHERE message_id = :message_id AND edit IS NOT NULL"
SENT_BEFORE = f"""
WITH {POSTS}
SELECT h.message_id, h.draft, h.created_at, d.n FROM d JOIN screenings AS h ON h.sender_id = d.me AND h.client_id = d.client_id
WHERE h.draft IS NOT NULL
"""
COUNT_HELD = """
SELECT COUNT(*) FROM screenings WHERE sender_id = :me AND chat_id = :chat_id AND draft IS NOT NULL
"""
OLDER = """
SELECT h.message_id, h.draft, h.created_at FROM screenings AS h
WHERE h.sender_id = :me AND h.chat_id = :chat_id AND h.draft IS NOT NULL AND h.message_id < :before_id
ORDER BY h.message_id DESC LIMIT :limit
"""
NEWER = """
SELECT h.message_id, h.draft, h.created_at FROM screenings AS h
WHERE h.sender_id = :me AND h.chat_id = :chat_id AND h.draft IS NOT NULL
  AND h.message_id > :after_id AND h.message_id < :before_id
ORDER BY h.message_id LIMIT :limit
"""
EDITS = """
SELECT h.message_id, h.edit, h.created_at FROM screenings AS h
WHERE h.message_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
  AND h.sender_id = :me AND h.edit IS NOT NULL
"""
LATEST = """
SELECT h.message_id, h.draft, h.created_at FROM screenings AS h
WHERE h.message_id IN (
    SELECT MAX(s.message_id) FROM screenings AS s
    WHERE s.sender_id = :me AND s.draft IS NOT NULL
      AND s.chat_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
    GROUP BY s.chat_id)
"""
ALL_OWN = """
SELECT h.message_id, h.draft, h.created_at FROM screenings AS h
WHERE h.sender_id = :me AND h.draft IS NOT NULL ORDER BY h.message_id
"""
ALL_OWN_EDITS = """
SELECT h.message_id, h.edit, h.created_at FROM screenings AS h
WHERE h.sender_id = :me AND h.edit IS NOT NULL ORDER BY h.message_id
"""
WITHDRAW = "DELETE FROM screenings WHERE message_id = :message_id AND sender_id = :me AND draft IS NOT NULL RETURNING chat_id"

# What somebody sends into one chat is asked about in its order.
CLAIM = """
UPDATE screenings SET due_at = CAST(:until AS BIGINT), attempts = attempts + 1
WHERE message_id IN (
    SELECT s.message_id FROM screenings AS s WHERE s.due_at <= :now AND NOT EXISTS (
        SELECT 1 FROM screenings AS e WHERE e.sender_id = s.sender_id AND e.chat_id = s.chat_id
          AND e.message_id < s.message_id AND e.due_at IS NOT NULL)
    ORDER BY s.due_at LIMIT :limit)
  AND due_at <= :now
RETURNING message_id, attempts, due_at, draft, edit
"""
TEXT = """
SELECT m.content || COALESCE(' ' || (SELECT p.options FROM polls AS p WHERE p.message_id = m.id), '')
FROM messages AS m WHERE m.id = :message_id AND m.deleted_at IS NULL
"""
POSTPONE = "UPDATE screenings SET due_at = :until WHERE message_id = :message_id AND due_at = :claimed"
FLAG = """
UPDATE screenings SET due_at = NULL, score = CAST(:score AS DOUBLE PRECISION), reason = CAST(:reason AS TEXT)
WHERE message_id = :message_id AND due_at = :claimed
"""
ASSIGN = """
UPDATE screenings SET assignee_id = :me
WHERE message_id = :message_id AND due_at IS NULL AND (assignee_id IS NULL OR assignee_id = :me)
"""
RELEASE = "UPDATE screenings SET assignee_id = NULL WHERE assignee_id = :user_id"
# What is held waits until somebody decides: to drop it would be a decision.
FORGET = """
DELETE FROM screenings WHERE message_id IN (
    SELECT message_id FROM screenings WHERE due_at IS NULL AND draft IS NULL AND edit IS NULL AND created_at < :before
    ORDER BY created_at LIMIT :most)
"""
# By whoever has claimed it for the classifier, or (None) by a moderator, for whom nothing is due.
TAKE = """
DELETE FROM screenings WHERE message_id = :message_id AND due_at IS NOT DISTINCT FROM CAST(:claimed AS BIGINT)
RETURNING message_id, sender_id, draft, edit, created_at
"""


async def keep(tx: Transaction, rows: Sequence[tuple[int, int, int, Post | None]]) -> None:
    """Let the classifier be asked about messages (`message_id, chat_id, sender_id, draft`)."""
    await tx.many(
        KEEP,
        [
            {
                "message_id": message_id,
                "chat_id": chat_id,
                "sender_id": sender_id,
                "draft": None if draft is None else encode([draft]),
                "client_id": None if draft is None else draft.client_id,
                "now": tx.now,
            }
            for message_id, chat_id, sender_id, draft in rows
        ],
    )


async def list_sent_before(tx: Transaction, posts: Sequence[Post]) -> dict[int, HeldRow]:
    """Held messages that were sent before under the same client ids, by the place of the post."""
    return {row.n: row for row in await tx.all(HeldRow, SENT_BEFORE, posts=encode_asked(posts))}


async def count_held(tx: Transaction, me: int, chat_id: int) -> int:
    """How many messages of mine in a chat are held."""
    return await tx.one(int, COUNT_HELD, me=me, chat_id=chat_id) or 0


async def list_older(tx: Transaction, me: int, chat_id: int, before_id: int, limit: int) -> list[HeldRow]:
    """My last held messages of a chat before an id."""
    return await tx.all(HeldRow, OLDER, me=me, chat_id=chat_id, before_id=before_id, limit=limit)


async def list_newer(tx: Transaction, me: int, chat_id: int, after_id: int, before_id: int, limit: int) -> list[HeldRow]:
    """My first held messages of a chat between two ids."""
    return await tx.all(HeldRow, NEWER, me=me, chat_id=chat_id, after_id=after_id, before_id=before_id, limit=limit)


async def list_edits(tx: Transaction, me: int, ids: Sequence[int]) -> list[HeldEdit]:
    """What those of the messages that are mine are to say, where something waits."""
    return await tx.all(HeldEdit, EDITS, me=me, ids=json.dumps(ids))


async def list_latest(tx: Transaction, me: int, chat_ids: Sequence[int]) -> list[HeldRow]:
    """The last held message of mine of each of these chats."""
    return await tx.all(HeldRow, LATEST, me=me, ids=json.dumps(chat_ids))


async def list_all_own(tx: Transaction, me: int) -> list[HeldRow]:
    """Every held message of mine."""
    return await tx.all(HeldRow, ALL_OWN, me=me)


async def keep_edit(tx: Transaction, me: int, chat_id: int, message_id: int, content: str) -> None:
    """Let the classifier be asked about what a message of mine is to say."""
    await tx.run(KEEP_EDIT, message_id=message_id, chat_id=chat_id, me=me, content=content, now=tx.now)


async def drop_edit(tx: Transaction, message_id: int) -> None:
    """Forget what a message was to say, if something waits."""
    await tx.run(DROP_EDIT, message_id=message_id)


async def list_all_own_edits(tx: Transaction, me: int) -> list[HeldEdit]:
    """What any message of mine is to say."""
    return await tx.all(HeldEdit, ALL_OWN_EDITS, me=me)


async def withdraw(tx: Transaction, me: int, message_id: int) -> int | None:
    """Drop a held message of mine; its chat, or None when there is none."""
    return await tx.one(int, WITHDRAW, me=me, message_id=message_id)


async def claim(tx: Transaction, limit: int, until: int) -> list[Due]:
    """Messages that the classifier is to be asked about now, for nobody else to ask until a moment."""
    return await tx.all(Due, CLAIM, limit=limit, until=until, now=tx.now)


async def read_text(tx: Transaction, message_id: int) -> str | None:
    """What a delivered message says."""
    return await tx.one(str, TEXT, message_id=message_id)


async def postpone(tx: Transaction, message_id: int, claimed: int, until: int) -> None:
    """Ask again at a moment."""
    await tx.run(POSTPONE, message_id=message_id, claimed=claimed, until=until)


async def flag(tx: Transaction, message_id: int, claimed: int, score: float | None, reason: str | None) -> None:
    """Let a moderator decide."""
    await tx.run(FLAG, message_id=message_id, claimed=claimed, score=score, reason=reason)


async def assign(tx: Transaction, me: int, message_id: int) -> bool:
    """Give one to a moderator; False when another has it."""
    return await tx.run(ASSIGN, me=me, message_id=message_id) == 1


async def release(tx: Transaction, user_id: int) -> None:
    """Give the messages of a moderator who handles them no more back to the others."""
    await tx.run(RELEASE, user_id=user_id)


async def take(tx: Transaction, message_id: int, claimed: int | None) -> Screened | None:
    """End the screening of a message, once; None when somebody has, or when there is something else to be judged by now."""
    return await tx.one(Screened, TAKE, message_id=message_id, claimed=claimed)


async def forget(tx: Transaction, before: int) -> int:
    """Drop the oldest flags of delivered messages, set before a moment in microseconds; how many."""
    return await tx.run(FORGET, before=before, most=SWEPT)
