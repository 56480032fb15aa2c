"""The SQL of the system's notes."""

from dating.database import Transaction

COUNT = "UPDATE chats SET message_count = message_count + 1, last_at = :now WHERE id = :chat_id"
READ_BY_ALL = "UPDATE members SET read_count = read_count + 1 WHERE chat_id = :chat_id"
ADD = """
INSERT INTO messages (chat_id, sender_id, kind, content, created_at) VALUES (:chat_id, NULL, 'system', :text, :now) RETURNING id
"""


async def add(tx: Transaction, chat_id: int, text: str) -> int:
    """A note that every member has read; its id. The chat is taken first: it orders the messages by commit."""
    await tx.run(COUNT, chat_id=chat_id, now=tx.now)
    await tx.run(READ_BY_ALL, chat_id=chat_id)
    note_id = await tx.one(int, ADD, chat_id=chat_id, text=text, now=tx.now)
    assert note_id is not None
    return note_id
