"""The SQL of disappearing messages."""

import json
from collections.abc import Sequence

from dating.chat.conditions import UNREAD
from dating.chat.message_models import Target
from dating.database import Transaction

EXPIRED = """
SELECT m.id, m.chat_id, m.sender_id, m.content, COALESCE(m.form, m.kind) AS kind, m.forwarded, m.created_at, m.edited_at,
       m.deleted_at, m.client_id, m.reply_to_id, m.expires_at
FROM messages AS m
WHERE m.id IN (SELECT id FROM messages WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit)
ORDER BY m.chat_id, m.id
"""
# The chat first, as in sending; whoever has read a message had counted it.
UNCOUNT = """
UPDATE chats SET message_count = message_count - CAST(:count AS BIGINT) WHERE id = :chat_id
"""
UNCOUNT_READ = f"""
UPDATE members AS r SET read_count = read_count - (
    SELECT COUNT(*) FROM messages AS m
    WHERE m.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))) AND NOT ({UNREAD}))
WHERE r.chat_id = :chat_id AND r.left_at IS NULL
"""
UNLINK = """
UPDATE messages SET reply_to_id = NULL
WHERE reply_to_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""
REMOVE = [
    f"DELETE FROM {table} WHERE message_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))"
    for table in ("votes", "polls", "edits", "reactions", "pins", "dismissals", "screenings")
]
REMOVE_READS = """
DELETE FROM reads
WHERE chat_id = :chat_id AND message_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""
DELETE = "DELETE FROM messages WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))"


async def list_expired(tx: Transaction, limit: int) -> list[Target]:
    """The next messages whose time is over, chat by chat."""
    return await tx.all(Target, EXPIRED, now=tx.now, limit=limit)


async def uncount(tx: Transaction, chat_id: int, ids: Sequence[int]) -> None:
    """Let the chat and those who have read these messages count without them."""
    await tx.run(UNCOUNT, chat_id=chat_id, count=len(ids))
    await tx.run(UNCOUNT_READ, chat_id=chat_id, ids=json.dumps(ids))
    await tx.run(REMOVE_READS, chat_id=chat_id, ids=json.dumps(ids))


async def remove(tx: Transaction, ids: Sequence[int]) -> None:
    """Remove messages with all that hangs on them."""
    for statement in [UNLINK, *REMOVE, DELETE]:
        await tx.run(statement, ids=json.dumps(ids))
