"""The SQL of what is open to me in chats, and of who hears what."""

import json

from dating.chat.conditions import MINE, OPEN, RECEIPTS, SEEN
from dating.chat.message_models import Target
from dating.chat.models import Room
from dating.database import Transaction

SEE = f"""
SELECT c.id, c.kind, mine.role, c.low_id, c.high_id, CASE WHEN c.request IS NOT NULL THEN c.asker_id END AS asker_id,
       EXISTS (SELECT 1 FROM screenings AS h WHERE h.sender_id = :me AND h.chat_id = c.id) AS was_screened
FROM chats AS c JOIN members AS mine ON mine.chat_id = c.id AND mine.user_id = :me AND mine.left_at IS NULL
WHERE c.id = :chat_id AND {OPEN}
"""
# The chat's row is taken before anything of a member's, as in sending: so counts never pass each other.
TAKE = f"""
UPDATE chats AS c SET last_at = last_at WHERE c.id = :chat_id AND {MINE} AND {OPEN}
RETURNING id, kind, (SELECT role FROM members WHERE chat_id = id AND user_id = :me) AS role, low_id, high_id,
    CASE WHEN request IS NOT NULL THEN asker_id END AS asker_id
"""
TAKE_CHAT_OF = f"""
UPDATE chats AS c SET last_at = last_at
WHERE c.id = (SELECT chat_id FROM messages WHERE id = :message_id) AND {MINE} AND {OPEN}
RETURNING id, kind, (SELECT role FROM members WHERE chat_id = id AND user_id = :me) AS role, low_id, high_id,
    CASE WHEN request IS NOT NULL THEN asker_id END AS asker_id
"""
FIND_MESSAGE = f"""
SELECT m.id, m.chat_id, m.sender_id, m.content, COALESCE(m.form, m.kind) AS kind, m.forwarded, m.created_at, m.edited_at,
       m.deleted_at, m.client_id, m.reply_to_id, m.expires_at
FROM messages AS m JOIN members AS mine ON mine.chat_id = m.chat_id AND mine.user_id = :me AND mine.left_at IS NULL
WHERE m.id = :message_id AND {SEEN}
"""
HEARERS = """
SELECT r.user_id FROM members AS r JOIN people AS u ON u.id = r.user_id
WHERE r.chat_id = :chat_id AND r.left_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.viewer_id = :me AND h.other_id = r.user_id)
ORDER BY r.user_id
"""
RECEIVERS = f"""
SELECT r.user_id FROM (SELECT id AS user_id FROM people) AS r
WHERE r.user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:authors AS TEXT))) AND {RECEIPTS}
  AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.viewer_id = :me AND h.other_id = r.user_id)
"""


async def see(tx: Transaction, me: int, chat_id: int) -> Room | None:
    """The chat if it is open to me."""
    return await tx.one(Room, SEE, me=me, chat_id=chat_id)


async def take(tx: Transaction, me: int, chat_id: int) -> Room | None:
    """The chat if it is open to me, held until this transaction ends."""
    return await tx.one(Room, TAKE, me=me, chat_id=chat_id)


async def take_chat_of(tx: Transaction, me: int, message_id: int) -> Room | None:
    """The same of the chat that the message is in."""
    return await tx.one(Room, TAKE_CHAT_OF, me=me, message_id=message_id)


async def find_message(tx: Transaction, me: int, message_id: int) -> Target | None:
    """A message that is for me to see, of a chat of mine."""
    return await tx.one(Target, FIND_MESSAGE, me=me, message_id=message_id, now=tx.now)


async def list_hearers(tx: Transaction, me: int, chat_id: int) -> list[int]:
    """The members who are there and not hidden from me, myself included."""
    return await tx.all(int, HEARERS, me=me, chat_id=chat_id)


async def list_receivers(tx: Transaction, me: int, authors: list[int]) -> list[int]:
    """Those of the authors to whom my receipts go."""
    return await tx.all(int, RECEIVERS, me=me, authors=json.dumps(authors))
