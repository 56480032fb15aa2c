"""What the system writes into a chat: read by everybody at once, told like any message."""

from dating.chat import note_queries as queries
from dating.clock import rfc3339
from dating.database import Transaction
from dating.realtime import events
from dating.realtime.audience import tell_members


async def leave(tx: Transaction, chat_id: int, text: str) -> None:
    """Write a note into a chat, which is then taken, and tell its members."""
    note_id = await queries.add(tx, chat_id, text)
    await tell_members(tx, [(chat_id, events.Message(note_id, chat_id, None, text, rfc3339(tx.now), "system"))])
