"""How far messages have come: delivered to somebody's devices, read by somebody; and typing.

Whoever switches read receipts off neither sends nor sees them: their reading is told to their own devices only, and what others
have read of theirs is not shown. Of a group's receipts, those hear whose messages are meant.
"""

import contextlib

import msgspec

from dating.chat import access, access_queries
from dating.chat import receipt_queries as queries
from dating.chat.access import ChatNotFound, MessageNotFound
from dating.chat.models import Done, Room
from dating.database import Transaction
from dating.errors import NotFound
from dating.realtime import events, inbox
from dating.safety import service as safety

AT_ONCE = 500  # events that one acknowledgement looks at; the next one goes on


async def read_chat(tx: Transaction, me: int, chat_id: int) -> bool:
    """I have read the chat to its end, and it is not marked as unread any more. Raises ChatNotFound."""
    room = await access.take(tx, me, chat_id)
    authors = await queries.list_unread_authors(tx, me, chat_id)
    last_id = await queries.head(tx, chat_id)
    if await queries.read_all(tx, me, chat_id, last_id):
        await access.announce_receipt(tx, me, room, authors, events.ReadChat(chat_id, me, last_id))
    if await queries.unmark(tx, me, chat_id):
        await inbox.tell(tx, [me], events.Chat(chat_id, me, "settings", marked_unread=False))
    return True


async def read_messages(tx: Transaction, me: int, chat_id: int, message_ids: list[int]) -> Done:
    """I have read these messages. What is not another member's message of this chat changes nothing. Raises ChatNotFound."""
    await read_in(tx, me, await access.take(tx, me, chat_id), message_ids)
    return Done()


async def read_in(tx: Transaction, me: int, room: Room, message_ids: list[int]) -> None:
    """The same in a chat that is taken."""
    fresh = await queries.read_some(tx, me, room.id, message_ids)
    if fresh:
        authors = await queries.list_authors(tx, me, fresh)
        await access.announce_receipt(tx, me, room, authors, events.ReadMessages(room.id, me, fresh))


async def mark_delivered(tx: Transaction, user_id: int, chat_id: int, message_id: int) -> None:
    """A device has received the chat up to another's message; its author hears of it when the mark moves. It never goes back.

    Raises ChatNotFound or MessageNotFound.
    """
    room = await access.take(tx, user_id, chat_id)
    authors = await queries.list_undelivered_authors(tx, user_id, chat_id, message_id)
    if await queries.deliver(tx, user_id, chat_id, message_id):
        await announce_delivered(tx, user_id, room, authors, message_id)
    elif not await queries.is_in_chat(tx, message_id, chat_id):
        raise MessageNotFound


async def announce_delivered(tx: Transaction, me: int, room: Room, authors: list[int], message_id: int) -> None:
    """Tell the authors, unless the chat is a request. Raises ChatNotFound when a block came first in a direct chat."""
    if room.asker_id is not None:
        return
    await inbox.hold(tx, authors)
    visible = [user_id for user_id in authors if await safety.is_visible(tx, me, user_id)]
    if room.kind == "direct" and len(visible) < len(authors):
        raise ChatNotFound
    await inbox.tell(tx, visible, events.Delivered(room.id, me, message_id))


async def acknowledge(tx: Transaction, user_id: int, seq: int) -> None:
    """A device has applied the inbox up to `seq`: the messages in it are delivered. Beyond its top, or again, nothing happens."""
    said = await inbox.list_unacknowledged(tx, user_id, seq, AT_ONCE)
    marks: dict[int, int] = {}
    for event in (msgspec.json.decode(entry.event, type=events.Message) for entry in said):
        if event.user_id not in (None, user_id):
            marks[event.chat_id] = event.id
    for chat_id, message_id in sorted(marks.items()):
        with contextlib.suppress(NotFound):
            await mark_delivered(tx, user_id, chat_id, message_id)
    await inbox.acknowledge(tx, user_id, said[-1].seq if len(said) == AT_ONCE else seq)


async def announce_typing(
    tx: Transaction, user_id: int, chat_id: int, what: events.Composing = "text"
) -> tuple[list[int], events.Typing]:
    """Who is to see that I am typing, and what; in a request nobody. Raises ChatNotFound."""
    room = await access.see(tx, user_id, chat_id)
    people = [] if room.asker_id is not None else await access_queries.list_hearers(tx, user_id, chat_id)
    return [other for other in people if other != user_id], events.Typing(chat_id, user_id, what)
