"""The rules of chats: who may open which, and what a list shows of them.

A chat that is not mine, was closed, or whose other member is hidden from me answers like one that never was: 404.
"""

from itertools import groupby

from dating.chat import access, groups, holds, queries, requests
from dating.chat.models import Chat, ChatRow, Member, NewChat, Opened, Unread
from dating.clock import rfc3339
from dating.database import Transaction
from dating.errors import Forbidden, Malformed
from dating.realtime import events, inbox
from dating.safety import service as safety


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


async def start(tx: Transaction, me: int, wish: NewChat, most: int) -> Opened:
    """A new group, whose members are told, or the direct chat with somebody, made if need be: then it is a request of mine.

    `most`: how many requests I may open a day; 0: no limit. Raises GroupNameMissing, NotAPair, NoSuchPerson, MatchNeeded,
    InviteLinkNeeded, TooManyChats or ChatNotFound.
    """
    if wish.kind == "group":
        return await groups.make(tx, me, wish.name, wish.photo_url, wish.member_ids)
    others = set(wish.member_ids) - {me}
    if len(others) != 1:
        raise NotAPair
    other_id = others.pop()
    await safety.require_visible(tx, me, other_id)
    made = None
    if await queries.find_pair(tx, me, other_id) is None:
        await judge_stranger(tx, me, other_id)
        await requests.judge_budget(tx, me, most)
        made = await make(tx, me, other_id)
    chat_id = made or await queries.find_pair(tx, me, other_id)
    if chat_id is None:
        raise MatchNeeded
    await requests.take_back(tx, me, chat_id)
    await access.see(tx, me, chat_id)
    return Opened(chat_id, created=made is not None)


async def make(tx: Transaction, me: int, other_id: int) -> int | None:
    """Make the chat, a request, and tell my own devices; its id, or None when the other was faster."""
    chat_id = await queries.make_pair(tx, me, other_id)
    if chat_id is not None:
        await inbox.tell(tx, [me], events.Chat(chat_id, me))
    return chat_id


async def judge_stranger(tx: Transaction, me: int, other_id: int) -> None:
    """Whether I may open a chat with somebody who has none with me, so no match either. Raises MatchNeeded.

    A chat that an unmatch has closed opens again by a new match only.
    """
    if await queries.was_closed(tx, me, other_id) or not await queries.takes_messages(tx, me, other_id):
        raise MatchNeeded


async def list_chats(tx: Transaction, me: int, limit: int, offset: int, before_id: int) -> list[Chat]:
    """My open chats, newest activity first; after the chat `before_id` when that is not 0."""
    return await holds.complete(tx, me, group(me, await queries.list_chats(tx, me, limit, offset, before_id)))


async def show_chats(tx: Transaction, me: int, ids: list[int]) -> list[Chat]:
    """Those of the chats that are open to me, newest activity first."""
    return group(me, await queries.these_chats(tx, me, ids)) if ids else []


async def list_requests(tx: Transaction, me: int, limit: int, offset: int, before_id: int) -> list[Chat]:
    """The requests to me that wait for my answer, in the same order."""
    return group(me, await queries.list_requests(tx, me, limit, offset, before_id))


async def count_unread(tx: Transaction, me: int) -> Unread:
    """What waits for me."""
    return await queries.count_unread(tx, me)


async def show_chat(tx: Transaction, me: int, chat_id: int) -> Chat:
    """One chat of mine with its members. Raises ChatNotFound."""
    chats = group(me, await queries.one_chat(tx, me, chat_id)) if chat_id < access.BEYOND else []
    if not chats:
        raise access.ChatNotFound
    return (await holds.complete(tx, me, chats))[0]


def group(me: int, rows: list[ChatRow]) -> list[Chat]:
    """Rows of members, chat by chat, as chats."""
    return [describe(me, list(members)) for _, members in groupby(rows, key=lambda row: row.id)]


def describe(me: int, rows: list[ChatRow]) -> Chat:
    """One chat. A direct chat is called after the other."""
    chat = rows[0]
    members = [Member(r.user_id, r.username, r.name, r.photo_url, r.role, r.delivered_id, r.read_id) for r in rows]
    others = [member for member in members if member.user_id != me]
    return Chat(
        id=chat.id,
        kind=chat.kind,
        name=others[0].name if chat.kind == "direct" else chat.chat_name,
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
        photo_url=others[0].photo_url if chat.kind == "direct" else chat.picture,
        role=chat.my_role,
        member_count=chat.member_count,
        marked_unread=chat.marked_unread,
        request=chat.request,
    )
