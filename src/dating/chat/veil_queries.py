"""The SQL of messages that somebody's hidden words keep away."""

import json
from collections.abc import Sequence

from dating.chat.conditions import OPEN
from dating.chat.history_queries import MESSAGES
from dating.chat.message_models import MessageRow
from dating.chat.post_queries import UNSEEN_ROWS, encode
from dating.chat.veil_models import Unseen, Wary
from dating.database import Transaction

WARY = """
SELECT r.chat_id, r.user_id, w.words FROM members AS r JOIN hidden_words AS w ON w.user_id = r.user_id
WHERE r.chat_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) AND r.left_at IS NULL
"""
VEIL = f"""
INSERT INTO dismissals (user_id, message_id, by_words)
WITH {UNSEEN_ROWS}
SELECT d.user_id, d.message_id, TRUE FROM d WHERE TRUE
ON CONFLICT (user_id, message_id) DO NOTHING
RETURNING user_id
"""
VEILED = "SELECT user_id FROM dismissals WHERE message_id = :message_id AND by_words"
# What I might read if my words did not keep it away.
WORDED = f"""
{MESSAGES} JOIN dismissals AS w ON w.message_id = m.id AND w.user_id = :me AND w.by_words
WHERE m.deleted_at IS NULL AND m.id > mine.since_id AND (m.expires_at IS NULL OR m.expires_at > :now) AND {OPEN}
  AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.viewer_id = :me AND h.other_id = m.sender_id)
"""
LIST = f"{WORDED} AND w.message_id < :before_id ORDER BY w.message_id DESC LIMIT :limit"
LIFT = "DELETE FROM dismissals WHERE user_id = :me AND message_id = :message_id AND by_words"


# A chat that was sunk for them already stands where it stood.
SINK = f"""
UPDATE members SET lifted_at = CASE WHEN sunk_at = one.before_at THEN lifted_at ELSE one.before_at END, sunk_at = one.last_at
FROM (
    WITH {UNSEEN_ROWS}
    SELECT DISTINCT d.chat_id, d.user_id, c.last_at, c.before_at FROM d JOIN chats AS c ON c.id = d.chat_id) AS one
WHERE members.chat_id = one.chat_id AND members.user_id = one.user_id
"""
RAISE = """
UPDATE members SET lifted_at = :now, sunk_at = (SELECT last_at FROM chats WHERE id = :chat_id)
WHERE chat_id = :chat_id AND user_id = :me
"""


async def list_wary(tx: Transaction, chat_ids: Sequence[int]) -> list[Wary]:
    """The members of these chats who have hidden words."""
    return await tx.all(Wary, WARY, ids=json.dumps(chat_ids))


async def veil(tx: Transaction, unseen: Sequence[Unseen]) -> list[int]:
    """Keep messages away from people by their words; from whom that is new."""
    return await tx.all(int, VEIL, unseen=encode(unseen))


async def list_veiled(tx: Transaction, message_id: int) -> list[int]:
    """From whom a message is kept away by their words."""
    return await tx.all(int, VEILED, message_id=message_id)


async def list_worded(tx: Transaction, me: int, before_id: int, limit: int) -> list[MessageRow]:
    """Messages that my words keep away, the latest first."""
    return await tx.all(MessageRow, LIST, me=me, before_id=before_id, limit=limit, now=tx.now)


async def lift(tx: Transaction, me: int, message_id: int) -> bool:
    """Keep a message away no more; False when my words did not."""
    return await tx.run(LIFT, me=me, message_id=message_id) == 1


async def sink(tx: Transaction, unseen: Sequence[Unseen]) -> None:
    """Leave the chats where they stand in the lists of these people, who see nothing of what was just said there."""
    await tx.run(SINK, unseen=encode(unseen))


async def lift_chat(tx: Transaction, me: int, chat_id: int) -> None:
    """Let a chat stand in my list as if something were said there now."""
    await tx.run(RAISE, me=me, chat_id=chat_id, now=tx.now)
