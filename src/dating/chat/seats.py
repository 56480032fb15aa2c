"""What a member switches in a chat for themselves alone: muted, archived, pinned, marked as unread. Nobody else hears of it."""

from dating.chat import access
from dating.chat import seat_queries as queries
from dating.chat.models import Done
from dating.database import Transaction
from dating.realtime.events import Chat
from dating.realtime.inbox import tell


async def mute(tx: Transaction, me: int, chat_id: int, on: bool) -> Done:
    """No notifications from this chat. Raises ChatNotFound."""
    await access.see(tx, me, chat_id)
    return await note(tx, me, await queries.mute(tx, me, chat_id, on), Chat(chat_id, me, "settings", muted=on))


async def archive(tx: Transaction, me: int, chat_id: int, on: bool) -> Done:
    """Out of the way. Raises ChatNotFound."""
    await access.see(tx, me, chat_id)
    return await note(tx, me, await queries.archive(tx, me, chat_id, on), Chat(chat_id, me, "settings", archived=on))


async def pin(tx: Transaction, me: int, chat_id: int, on: bool) -> Done:
    """On top of my list. Raises ChatNotFound."""
    await access.see(tx, me, chat_id)
    return await note(tx, me, await queries.pin(tx, me, chat_id, on), Chat(chat_id, me, "settings", pinned=on))


async def mark_unread(tx: Transaction, me: int, chat_id: int, on: bool) -> Done:
    """To be read later, though nothing is new; reading the chat takes the mark off. Raises ChatNotFound."""
    await access.see(tx, me, chat_id)
    return await note(tx, me, await queries.mark(tx, me, chat_id, on), Chat(chat_id, me, "settings", marked_unread=on))


async def note(tx: Transaction, me: int, changed: bool, event: Chat) -> Done:
    """Tell my own devices what is different."""
    if changed:
        await tell(tx, [me], event)
    return Done()
