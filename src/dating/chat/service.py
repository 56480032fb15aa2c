"""The rules of chats: who may see and open which, how far each has read, and what everybody hears of it. Sending: posts.py.

A chat that is not mine, was closed, or whose other member is hidden from me answers like one that never was: 404.
"""

from collections.abc import Sequence
from itertools import groupby

import msgspec

from dating.chat import queries
from dating.chat.models import Chat, ChatRow, Done, Member, Message, MessageRow, Opened, Pair
from dating.clock import rfc3339
from dating.database import Transaction
from dating.errors import Forbidden, Malformed, NotFound
from dating.realtime import events
from dating.realtime.inbox import tell
from dating.safety import service as safety

BEYOND = 2**53  # more than any id


class ChatNotFound(NotFound):
    """404: there is no such chat, or none that I may see."""

    code = "chat_not_found"
    detail = "There is no such chat."


class MessageNotFound(NotFound):
    """404: the message is not in this chat."""

    code = "message_not_found"
    detail = "There is no such message in this chat."


class NotAvailable(Malformed):
    """400: this part of the API is not there yet."""

    code = "not_available"
    detail = "This is not available yet."


class NotAPair(Malformed):
    """400: a direct chat is with exactly one other person."""

    code = "not_a_pair"
    detail = "A direct chat needs exactly one other person."


class MatchNeeded(Forbidden):
    """403: the other takes messages from matches only."""

    code = "match_needed"
    detail = "A match is needed to write to this person."


# --- chats ------------------------------------------------------------------------------------------------------------------


async def open_direct(tx: Transaction, one_id: int, other_id: int, greeting: str) -> int:
    """Make the one chat of two people, or open it again, with a system message; its id. Tells nobody."""
    return await queries.open_pair(tx, one_id, other_id, greeting)


async def close_direct(tx: Transaction, one_id: int, other_id: int) -> int | None:
    """Close the chat of two people for both; its id, or None when no open one is there. Tells nobody."""
    return await queries.close_pair(tx, one_id, other_id)


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget a person who leaves: their direct chats, with everything in them."""
    await queries.erase(tx, user_id)


async def export(tx: Transaction, user_id: int) -> dict[str, Sequence[msgspec.Struct]]:
    """The person's open chats as they are listed, with their messages; of all others what the person wrote and marked."""
    return {
        "chats": await list_chats(tx, user_id, BEYOND, 0, 0),
        "messages": [show(row) for row in await queries.open_messages(tx, user_id)],
        "messages_in_closed_chats": await queries.lost_messages(tx, user_id),
        "chat_memberships": await queries.seats(tx, user_id),
        "read_marks": await queries.read_marks(tx, user_id),
    }


async def start(tx: Transaction, me: int, kind: str, member_ids: list[int]) -> Opened:
    """The direct chat with somebody, made if need be; the other is told of a new one.

    Raises NotAvailable (groups), NotAPair, NoSuchPerson, MatchNeeded or ChatNotFound.
    """
    if kind == "group":
        raise NotAvailable("Group chats are not available yet.")
    others = set(member_ids) - {me}
    if len(others) != 1:
        raise NotAPair
    other_id = others.pop()
    await safety.require_visible(tx, me, other_id)
    made = None
    if await queries.find_pair(tx, me, other_id) is None:
        await judge_stranger(tx, me, other_id)
        made = await make(tx, me, other_id)
    chat_id = made or await queries.find_pair(tx, me, other_id)
    if chat_id is None:
        raise MatchNeeded
    await see(tx, me, chat_id)
    return Opened(chat_id, created=made is not None)


async def make(tx: Transaction, me: int, other_id: int) -> int | None:
    """Make the chat and tell both; its id, or None when the other was faster."""
    chat_id = await queries.make_pair(tx, me, other_id)
    if chat_id is not None:
        await announce(tx, me, (me, other_id), events.Chat(chat_id, me))
    return chat_id


async def judge_stranger(tx: Transaction, me: int, other_id: int) -> None:
    """Whether I may open a chat with somebody who has none with me, so no match either. Raises MatchNeeded.

    A chat that an unmatch has closed opens again by a new match only.
    """
    if await queries.was_closed(tx, me, other_id) or not await queries.takes_messages(tx, other_id):
        raise MatchNeeded


async def list_chats(tx: Transaction, me: int, limit: int, offset: int, before_id: int) -> list[Chat]:
    """My open chats, newest activity first; after the chat `before_id` when that is not 0."""
    return group(me, await queries.list_chats(tx, me, limit, offset, before_id))


async def show_chat(tx: Transaction, me: int, chat_id: int) -> Chat:
    """One chat of mine with its members. Raises ChatNotFound."""
    chats = group(me, await queries.one_chat(tx, me, chat_id)) if chat_id < BEYOND else []
    if not chats:
        raise ChatNotFound
    return chats[0]


def group(me: int, rows: list[ChatRow]) -> list[Chat]:
    """Rows of members, chat by chat, as chats."""
    return [describe(me, list(members)) for _, members in groupby(rows, key=lambda row: row.id)]


def describe(me: int, rows: list[ChatRow]) -> Chat:
    """One chat. A direct chat is called after the other."""
    chat = rows[0]
    members = [Member(r.user_id, r.username, r.name, r.photo_url, r.role, r.delivered_id, r.read_id) for r in rows]
    others = [member.name for member in members if member.user_id != me]
    return Chat(
        id=chat.id,
        kind=chat.kind,
        name=others[0] if chat.kind == "direct" else chat.chat_name,
        user1_id=chat.low_id,
        user2_id=chat.high_id,
        members=members,
        last_message=chat.last_content,
        last_message_id=chat.last_id,
        last_message_time=None if chat.last_at is None else rfc3339(chat.last_at),
        last_message_user=chat.last_sender,
        is_read=chat.last_read,
        unread_count=chat.unread_count,
        muted=chat.muted,
        archived=chat.archived,
        pinned=chat.pinned,
        created_at=rfc3339(chat.created_at),
    )


# --- messages and receipts --------------------------------------------------------------------------------------------------


def show(row: MessageRow) -> Message:
    """A message as it goes out."""
    return Message(
        row.id, row.chat_id, row.sender_id, row.receiver_id, row.content, row.kind, row.is_read, rfc3339(row.created_at),
        row.client_id, row.reply_to_id,
    )  # fmt: skip


async def list_messages(
    tx: Transaction, me: int, chat_id: int, limit: int, before_id: int | None, after_id: int | None
) -> list[Message]:
    """A page of a chat, ascending by id: after `after_id`, or the last ones before `before_id`, or the newest.

    Raises ChatNotFound.
    """
    await see(tx, me, chat_id)
    before = before_id or BEYOND
    if after_id is None:
        rows = await queries.list_older(tx, me, chat_id, before, limit)
    else:
        rows = await queries.list_newer(tx, me, chat_id, after_id, before, limit)
    return [show(row) for row in rows]


async def see(tx: Transaction, me: int, chat_id: int) -> Pair:
    """The chat if it is open to me. Raises ChatNotFound."""
    pair = await queries.see(tx, me, chat_id) if chat_id < BEYOND else None
    if pair is None:
        raise ChatNotFound
    return pair


async def take(tx: Transaction, me: int, chat_id: int) -> Pair:
    """The same, held until the transaction ends. Raises ChatNotFound."""
    pair = await queries.take(tx, me, chat_id)
    if pair is None:
        raise ChatNotFound
    return pair


async def announce(tx: Transaction, me: int, people: Sequence[int], event: events.Event) -> None:
    """Tell people of the chat what I did, unless one of them has blocked me meanwhile. Raises ChatNotFound."""
    await tell(tx, people, event)
    for other_id in people:
        if not await safety.is_visible(tx, me, other_id):
            raise ChatNotFound


async def read_chat(tx: Transaction, me: int, chat_id: int) -> bool:
    """I have read the chat to its end; both hear of it if that is news. Raises ChatNotFound."""
    pair = await take(tx, me, chat_id)
    last_id = await queries.head(tx, chat_id)
    if await queries.read_all(tx, me, chat_id, last_id):
        await announce(tx, me, pair.people, events.ReadChat(chat_id, me, last_id))
    return True


async def read_messages(tx: Transaction, me: int, chat_id: int, message_ids: list[int]) -> Done:
    """I have read these messages. What is not another member's message of this chat changes nothing. Raises ChatNotFound."""
    pair = await take(tx, me, chat_id)
    fresh = await queries.read_some(tx, me, chat_id, message_ids)
    if fresh:
        await announce(tx, me, pair.people, events.ReadMessages(chat_id, me, fresh))
    return Done()


async def mark_delivered(tx: Transaction, user_id: int, chat_id: int, message_id: int) -> None:
    """A device has received the chat up to another's message; the other hears of it when the mark moves. It never goes back.

    Raises ChatNotFound or MessageNotFound.
    """
    pair = await take(tx, user_id, chat_id)
    if await queries.deliver(tx, user_id, chat_id, message_id):
        await announce(tx, user_id, pair.others(user_id), events.Delivered(chat_id, user_id, message_id))
    elif not await queries.is_in_chat(tx, message_id, chat_id):
        raise MessageNotFound


async def announce_typing(tx: Transaction, user_id: int, chat_id: int) -> tuple[list[int], events.Typing]:
    """Who is to see that I am typing, and what. Raises ChatNotFound."""
    pair = await see(tx, user_id, chat_id)
    return pair.others(user_id), events.Typing(chat_id, user_id)
