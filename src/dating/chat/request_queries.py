"""The SQL of message requests."""

import json
from collections.abc import Sequence

from dating.chat.conditions import RECEIPTS
from dating.chat.receipt_models import Marks
from dating.chat.request_models import Request
from dating.database import Transaction

SETTLE = """
UPDATE chats SET request = NULL
WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) AND request IS NOT NULL
RETURNING id, asker_id, low_id + high_id - asker_id AS asked_id, message_count, request
"""
DECLINE = "UPDATE chats SET request = 'declined' WHERE id = :chat_id AND request = 'waiting' AND asker_id <> :me RETURNING id"
DECLINED = """
SELECT id FROM chats
WHERE id = :chat_id AND closed_at IS NULL AND request = 'declined' AND asker_id <> :me AND :me IN (low_id, high_id)
"""
WAITING = """
SELECT id, asker_id, low_id + high_id - asker_id AS asked_id, message_count, request FROM chats
WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) AND request IS NOT NULL
"""
DECLINED_BY = "SELECT low_id + high_id - asker_id FROM chats WHERE id = :chat_id AND request = 'declined'"
# What the one who was asked has received and read of a request. Its messages are all the asker's.
MARKS = f"""
SELECT r.delivered_id, CASE WHEN {RECEIPTS} THEN r.read_id ELSE 0 END AS read_id
FROM members AS r WHERE r.chat_id = :chat_id AND r.user_id = :asked_id
"""
TAKE_COUNT = "UPDATE chats SET last_at = last_at WHERE id = :chat_id RETURNING message_count"
ASKED_SINCE = "SELECT created_at FROM chats WHERE asker_id = :me AND created_at > :since ORDER BY created_at"


async def settle(tx: Transaction, chat_ids: Sequence[int]) -> list[Request]:
    """Make requests chats like any other; those that were requests."""
    return await tx.all(Request, SETTLE, ids=json.dumps(chat_ids))


async def decline(tx: Transaction, me: int, chat_id: int) -> bool:
    """Decline a request to me; False when it does not wait."""
    return await tx.one(int, DECLINE, me=me, chat_id=chat_id) is not None


async def was_declined(tx: Transaction, me: int, chat_id: int) -> bool:
    """Whether I have declined this request."""
    return await tx.one(int, DECLINED, me=me, chat_id=chat_id) is not None


async def take_count(tx: Transaction, chat_id: int) -> int:
    """How many messages a chat has, which is held until the transaction ends."""
    return await tx.one(int, TAKE_COUNT, chat_id=chat_id) or 0


async def list_declined(tx: Transaction, chat_id: int) -> list[int]:
    """Who has declined this request, if somebody has."""
    return await tx.all(int, DECLINED_BY, chat_id=chat_id)


async def list_waiting(tx: Transaction, chat_ids: Sequence[int]) -> list[Request]:
    """Those of the chats that are requests."""
    return await tx.all(Request, WAITING, ids=json.dumps(chat_ids))


async def read_marks(tx: Transaction, asker_id: int, chat_id: int, asked_id: int) -> Marks:
    """How far the one who was asked has come, as the asker is to see it."""
    found = await tx.one(Marks, MARKS, me=asker_id, chat_id=chat_id, asked_id=asked_id)
    assert found is not None
    return found


async def list_asked(tx: Transaction, me: int, since: int) -> list[int]:
    """When I have opened chats without a match since a moment, ascending."""
    return await tx.all(int, ASKED_SINCE, me=me, since=since)
