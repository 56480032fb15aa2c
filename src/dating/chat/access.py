"""Which chats and messages are open to me, and who hears of what I do there.

A chat that is not mine, was closed, or whose other member is hidden from me answers like one that never was: 404. So does a
message of such a chat, one from before I came, one that has expired, one deleted by me for myself, and one by somebody hidden.
"""

from collections.abc import Iterable

from dating.chat import access_queries as queries
from dating.chat import request_queries
from dating.chat.message_models import Target
from dating.chat.models import Room
from dating.database import Transaction
from dating.errors import Conflict, NotFound
from dating.realtime import events
from dating.realtime.audience import tell_members
from dating.realtime.inbox import hold, tell
from dating.safety import service as safety

BEYOND = 2**53  # more than any id


class ChatNotFound(NotFound):
    """404: there is no such chat, or none that I may see."""

    code = "chat_not_found"
    detail = "There is no such chat."


class RequestWaiting(Conflict):
    """409: the chat is a request, and this needs its acceptance."""

    code = "request_waiting"
    detail = "This chat is a request that waits for an answer."


class ClientIdReused(Conflict):
    """409: another message of mine has this client id."""

    code = "client_id_reused"
    detail = "This client_id (or Idempotency-Key) was used for another message."


class MessageNotFound(NotFound):
    """404: there is no such message, or none that I may see."""

    code = "message_not_found"
    detail = "There is no such message in this chat."


async def see(tx: Transaction, me: int, chat_id: int) -> Room:
    """The chat if it is open to me. Raises ChatNotFound."""
    room = await queries.see(tx, me, chat_id) if chat_id < BEYOND else None
    if room is None:
        raise ChatNotFound
    return room


async def is_open(tx: Transaction, me: int, chat_id: int) -> bool:
    """Whether the chat is open to me."""
    return await queries.see(tx, me, chat_id) is not None


async def take(tx: Transaction, me: int, chat_id: int) -> Room:
    """The same, held until the transaction ends. Raises ChatNotFound."""
    room = await queries.take(tx, me, chat_id) if chat_id < BEYOND else None
    if room is None:
        raise ChatNotFound
    return room


async def take_message(tx: Transaction, me: int, message_id: int) -> tuple[Room, Target]:
    """A message that I may see and its chat, which is held until the transaction ends. Raises MessageNotFound."""
    room = await queries.take_chat_of(tx, me, message_id) if message_id < BEYOND else None
    target = None if room is None else await queries.find_message(tx, me, message_id)
    if room is None or target is None:
        raise MessageNotFound
    return room, target


def require_settled(room: Room) -> None:
    """Raises RequestWaiting."""
    if room.asker_id is not None:
        raise RequestWaiting


async def announce(
    tx: Transaction,
    me: int,
    room: Room,
    event: events.Event,
    muffled: Iterable[int] = (),
) -> None:
    """Tell the whole chat, which is taken, what I did; of those hidden from its `user_id`, nobody learns anything.

    The `muffled` do not either. Of a declined request nobody but the asker learns anything.

    Raises ChatNotFound when a block came first in a direct chat.
    """
    declined = [] if room.asker_id is None else await request_queries.list_declined(tx, room.id)
    await tell_members(tx, [(room.id, event)], {(0, user_id) for user_id in (*muffled, *declined)})
    other_id = room.other(me)
    if other_id is not None and not await safety.is_visible(tx, me, other_id):
        raise ChatNotFound


async def announce_receipt(tx: Transaction, me: int, room: Room, authors: list[int], event: events.Event) -> None:
    """Tell my own devices, and those authors who send and see receipts as I do, what I have read. Of a request nobody else hears.

    Raises ChatNotFound when a block came first in a direct chat.
    """
    await hold(tx, {me, *authors})
    other_id = room.other(me)
    if other_id is not None and not await safety.is_visible(tx, me, other_id):
        raise ChatNotFound
    receivers = [] if room.asker_id is not None else await queries.list_receivers(tx, me, authors)
    await tell(tx, {me, *receivers}, event)
