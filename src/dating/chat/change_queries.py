"""The SQL of what is done with messages: edits, deletions, reactions, pins."""

from dating.chat.message_models import Target
from dating.database import Transaction

# --- edits ------------------------------------------------------------------------------------------------------------------

KEEP_VERSION = """
INSERT INTO edits (message_id, written_at, content)
SELECT id, COALESCE(edited_at, created_at), content FROM messages WHERE id = :message_id
"""
EDIT = "UPDATE messages SET content = :content, links = :links, edited_at = :at WHERE id = :message_id"
COUNT_VERSIONS = "SELECT COUNT(*) FROM edits WHERE message_id = :message_id"
MOMENTS = "SELECT written_at FROM edits WHERE message_id = :message_id"


async def count_versions(tx: Transaction, message_id: int) -> int:
    """How often a message was edited."""
    return await tx.one(int, COUNT_VERSIONS, message_id=message_id) or 0


async def edit(tx: Transaction, message_id: int, content: str, links: str, at: int) -> None:
    """Keep what the message says, and let it say something else."""
    await tx.run(KEEP_VERSION, message_id=message_id)
    await tx.run(EDIT, message_id=message_id, content=content, links=links, at=at)


async def list_moments(tx: Transaction, message_id: int) -> list[int]:
    """Since when the message said what it says no more."""
    return await tx.all(int, MOMENTS, message_id=message_id)


# --- deletions --------------------------------------------------------------------------------------------------------------

EMPTY = """
UPDATE messages SET content = '', links = '[]', form = NULL, edited_at = NULL, forwarded = FALSE, deleted_at = :now
WHERE id = :message_id
"""
HOLD_CHAT_OF = """
UPDATE chats SET last_at = last_at WHERE id = (SELECT chat_id FROM messages WHERE id = :message_id) RETURNING closed_at IS NULL
"""
ANY = """
SELECT m.id, m.chat_id, m.sender_id, m.content, COALESCE(m.form, m.kind) AS kind, m.forwarded, m.created_at, m.edited_at,
       m.deleted_at, m.client_id, m.reply_to_id, m.expires_at
FROM messages AS m WHERE m.id = :message_id
"""
DISMISS = """
INSERT INTO dismissals (user_id, message_id) VALUES (:me, :message_id) ON CONFLICT (user_id, message_id) DO NOTHING
"""
STRIP = [f"DELETE FROM {table} WHERE message_id = :message_id" for table in ("votes", "polls", "edits", "reactions", "pins")]


async def empty(tx: Transaction, message_id: int) -> None:
    """Take everything off a message but that it was there."""
    for statement in STRIP:
        await tx.run(statement, message_id=message_id)
    await tx.run(EMPTY, message_id=message_id, now=tx.now)


async def hold_chat_of(tx: Transaction, message_id: int) -> bool | None:
    """Take the chat of a message, whoever may see it; whether it is open, None when there is none."""
    return await tx.one(bool, HOLD_CHAT_OF, message_id=message_id)


async def find_any(tx: Transaction, message_id: int) -> Target | None:
    """A message, whoever may see it."""
    return await tx.one(Target, ANY, message_id=message_id)


async def dismiss(tx: Transaction, me: int, message_id: int) -> bool:
    """Keep a message away from me; False when it is already."""
    return await tx.run(DISMISS, me=me, message_id=message_id) == 1


# --- reactions --------------------------------------------------------------------------------------------------------------

OWN_REACTION = "SELECT emoji FROM reactions WHERE message_id = :message_id AND user_id = :me"
REACT = """
INSERT INTO reactions (message_id, user_id, emoji, created_at) VALUES (:message_id, :me, :emoji, :now)
ON CONFLICT (message_id, user_id) DO UPDATE SET emoji = excluded.emoji, created_at = excluded.created_at
"""
TAKE_BACK = "DELETE FROM reactions WHERE message_id = :message_id AND user_id = :me"


async def own_reaction(tx: Transaction, me: int, message_id: int) -> str | None:
    """My emoji under the message."""
    return await tx.one(str, OWN_REACTION, me=me, message_id=message_id)


async def react(tx: Transaction, me: int, message_id: int, emoji: str) -> None:
    """Put my emoji under the message, in place of an earlier one."""
    await tx.run(REACT, me=me, message_id=message_id, emoji=emoji, now=tx.now)


async def take_back(tx: Transaction, me: int, message_id: int) -> None:
    """Remove my emoji."""
    await tx.run(TAKE_BACK, me=me, message_id=message_id)


# --- pins -------------------------------------------------------------------------------------------------------------------

PIN = """
INSERT INTO pins (chat_id, message_id, user_id, pinned_at) VALUES (:chat_id, :message_id, :me, :now)
ON CONFLICT (chat_id, message_id) DO NOTHING
"""
UNPIN = "DELETE FROM pins WHERE chat_id = :chat_id AND message_id = :message_id"
COUNT_PINS = "SELECT COUNT(*) FROM pins WHERE chat_id = :chat_id"


async def pin(tx: Transaction, me: int, chat_id: int, message_id: int) -> bool:
    """Pin a message; False when it is pinned already."""
    return await tx.run(PIN, me=me, chat_id=chat_id, message_id=message_id, now=tx.now) == 1


async def unpin(tx: Transaction, chat_id: int, message_id: int) -> bool:
    """Take a pinned message down; False when it was not pinned."""
    return await tx.run(UNPIN, chat_id=chat_id, message_id=message_id) == 1


async def count_pins(tx: Transaction, chat_id: int) -> int:
    """How many messages of the chat are pinned."""
    return await tx.one(int, COUNT_PINS, chat_id=chat_id) or 0
