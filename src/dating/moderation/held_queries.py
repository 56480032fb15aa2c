"""The SQL of messages that a classifier wants looked at. No moderator sees those of chats that they are in."""

from dating.database import Transaction
from dating.moderation.held_models import ScreeningRow

WAITING = """
SELECT s.message_id, s.sender_id, s.draft, s.edit, s.score, s.reason, s.assignee_id, s.created_at,
       m.content || COALESCE(' ' || (SELECT p.options FROM polls AS p WHERE p.message_id = m.id), '') AS content
FROM screenings AS s LEFT JOIN messages AS m ON m.id = s.message_id AND m.deleted_at IS NULL
WHERE s.due_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM members AS mine WHERE mine.chat_id = s.chat_id AND mine.user_id = :me)
"""
QUEUE = f"{WAITING} AND s.message_id > :after_id ORDER BY s.message_id LIMIT :limit OFFSET :offset"
ONE = f"{WAITING} AND s.message_id = :message_id"
COUNT = "SELECT COUNT(*) FROM screenings WHERE due_at IS NULL"


async def list_waiting(tx: Transaction, me: int, limit: int, offset: int, after_id: int) -> list[ScreeningRow]:
    """One page of what waits for a moderator."""
    return await tx.all(ScreeningRow, QUEUE, me=me, limit=limit, offset=offset, after_id=after_id)


async def find(tx: Transaction, me: int, message_id: int) -> ScreeningRow | None:
    """One of them."""
    return await tx.one(ScreeningRow, ONE, me=me, message_id=message_id)


async def count(tx: Transaction) -> int:
    """How many wait."""
    return await tx.one(int, COUNT) or 0
