"""The SQL of receipts: what is delivered, what is read, and whom it concerns."""

import json

from dating.chat.conditions import UNREAD
from dating.database import Transaction

# A statement of its own after the chat's row is taken: a subquery beside the taking would still see the time before the wait.
HEAD = "SELECT COALESCE(MAX(id), 0) FROM messages WHERE chat_id = :chat_id"
IN_CHAT = "SELECT id FROM messages WHERE id = :message_id AND chat_id = :chat_id"
READ_ALL = """
UPDATE members SET read_id = :head, read_count = (SELECT message_count FROM chats WHERE id = :chat_id)
WHERE chat_id = :chat_id AND user_id = :me AND read_count < (SELECT message_count FROM chats WHERE id = :chat_id)
"""
UNMARK = "UPDATE members SET marked_unread = FALSE WHERE chat_id = :chat_id AND user_id = :me AND marked_unread"
FORGET_READS = """
DELETE FROM reads
WHERE chat_id = :chat_id AND user_id = :me
  AND message_id <= (SELECT read_id FROM members WHERE chat_id = :chat_id AND user_id = :me)
"""
UNREAD_OF = f"""
SELECT m.id FROM members AS r JOIN messages AS m ON {UNREAD}
WHERE r.chat_id = :chat_id AND r.user_id = :me AND m.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
ORDER BY m.id
"""
ADD_READS = """
INSERT INTO reads (chat_id, user_id, message_id)
SELECT CAST(:chat_id AS BIGINT), CAST(:me AS BIGINT), CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT))
"""
ADVANCE = f"""
UPDATE members AS r SET read_count = read_count + CAST(:count AS BIGINT),
    read_id = COALESCE((SELECT m.id - 1 FROM messages AS m WHERE {UNREAD} ORDER BY m.id LIMIT 1), :head)
WHERE r.chat_id = :chat_id AND r.user_id = :me
"""
UNREAD_AUTHORS = f"""
SELECT DISTINCT m.sender_id FROM members AS r JOIN messages AS m ON {UNREAD} WHERE r.chat_id = :chat_id AND r.user_id = :me
"""
AUTHORS = """
SELECT DISTINCT sender_id FROM messages
WHERE sender_id <> :me AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""
UNDELIVERED_AUTHORS = """
SELECT DISTINCT m.sender_id FROM members AS r JOIN messages AS m ON m.chat_id = r.chat_id AND m.id > r.delivered_id
WHERE r.chat_id = :chat_id AND r.user_id = :me AND m.id <= :message_id AND m.sender_id <> :me
"""
DELIVER = """
UPDATE members SET delivered_id = :message_id
WHERE chat_id = :chat_id AND user_id = :me AND delivered_id < :message_id
  AND EXISTS (SELECT 1 FROM messages WHERE id = :message_id AND chat_id = :chat_id AND sender_id <> :me)
"""


async def head(tx: Transaction, chat_id: int) -> int:
    """The id of the chat's last message; 0 when there is none."""
    return await tx.one(int, HEAD, chat_id=chat_id) or 0


async def is_in_chat(tx: Transaction, message_id: int, chat_id: int) -> bool:
    """Whether the message is one of this chat's."""
    return await tx.one(int, IN_CHAT, message_id=message_id, chat_id=chat_id) is not None


async def read_all(tx: Transaction, me: int, chat_id: int, last_id: int) -> bool:
    """I have read the whole chat, up to its last message; whether any of it was new to me. The chat must be taken."""
    changed = await tx.run(READ_ALL, me=me, chat_id=chat_id, head=last_id)
    if changed:
        await tx.run(FORGET_READS, me=me, chat_id=chat_id)
    return changed == 1


async def unmark(tx: Transaction, me: int, chat_id: int) -> bool:
    """Take the mark "unread" off the chat, if it is there."""
    return await tx.run(UNMARK, me=me, chat_id=chat_id) == 1


async def list_unread(tx: Transaction, me: int, chat_id: int, message_ids: list[int]) -> list[int]:
    """Those of the messages that others sent here and I have not read, ascending."""
    return await tx.all(int, UNREAD_OF, me=me, chat_id=chat_id, ids=json.dumps(message_ids))


async def read_some(tx: Transaction, me: int, chat_id: int, message_ids: list[int]) -> list[int]:
    """I have read these messages: those that others sent here and that were new to me, ascending. The chat must be taken."""
    fresh = await list_unread(tx, me, chat_id, message_ids)
    if fresh:
        await tx.run(ADD_READS, me=me, chat_id=chat_id, ids=json.dumps(fresh))
        await tx.run(ADVANCE, me=me, chat_id=chat_id, count=len(fresh), head=await head(tx, chat_id))
        await tx.run(FORGET_READS, me=me, chat_id=chat_id)
    return fresh


async def list_unread_authors(tx: Transaction, me: int, chat_id: int) -> list[int]:
    """Whose messages I have not read."""
    return await tx.all(int, UNREAD_AUTHORS, me=me, chat_id=chat_id)


async def list_authors(tx: Transaction, me: int, message_ids: list[int]) -> list[int]:
    """Who else sent these messages."""
    return await tx.all(int, AUTHORS, me=me, ids=json.dumps(message_ids))


async def list_undelivered_authors(tx: Transaction, me: int, chat_id: int, message_id: int) -> list[int]:
    """Who else sent something up to this message that has not reached me."""
    return await tx.all(int, UNDELIVERED_AUTHORS, me=me, chat_id=chat_id, message_id=message_id)


async def deliver(tx: Transaction, me: int, chat_id: int, message_id: int) -> bool:
    """A device of mine has everything up to this message of another member; whether that is news."""
    return await tx.run(DELIVER, me=me, chat_id=chat_id, message_id=message_id) == 1
