"""The SQL of what a member keeps about a chat for themselves."""

from dating.database import Transaction

MUTE = "UPDATE members SET muted = :switch WHERE chat_id = :chat_id AND user_id = :me AND muted <> :switch"
ARCHIVE = "UPDATE members SET archived = :switch WHERE chat_id = :chat_id AND user_id = :me AND archived <> :switch"
MARK = "UPDATE members SET marked_unread = :switch WHERE chat_id = :chat_id AND user_id = :me AND marked_unread <> :switch"
PIN = """
UPDATE members SET pinned_at = CASE WHEN :switch THEN CAST(:now AS BIGINT) END
WHERE chat_id = :chat_id AND user_id = :me AND (pinned_at IS NOT NULL) <> :switch
"""


async def mute(tx: Transaction, me: int, chat_id: int, switch: bool) -> bool:
    """Whether the chat may disturb me; False when that is so already."""
    return await tx.run(MUTE, me=me, chat_id=chat_id, switch=switch) == 1


async def archive(tx: Transaction, me: int, chat_id: int, switch: bool) -> bool:
    """Whether the chat is out of the way; False when that is so already."""
    return await tx.run(ARCHIVE, me=me, chat_id=chat_id, switch=switch) == 1


async def mark(tx: Transaction, me: int, chat_id: int, switch: bool) -> bool:
    """Whether I have marked the chat as unread; False when that is so already."""
    return await tx.run(MARK, me=me, chat_id=chat_id, switch=switch) == 1


async def pin(tx: Transaction, me: int, chat_id: int, switch: bool) -> bool:
    """Whether the chat is on top of my list; False when that is so already."""
    return await tx.run(PIN, me=me, chat_id=chat_id, switch=switch, now=tx.now) == 1
