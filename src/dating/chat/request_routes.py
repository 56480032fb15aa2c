"""Message requests, hidden messages and what is unread, over HTTP."""

from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from dating.chat import requests, service, veils
from dating.chat.message_models import Message
from dating.chat.models import Chat, Done, Unread
from dating.database import Database
from dating.idempotency import Commit
from dating.parameters import Cursor, Limit, Offset
from dating.tokens import Identity

TAGS = ["Chats and messages"]
LIMIT = {"limit": "read"}
BeforeId = Annotated[int | None, QueryParameter(ge=1, lt=2**53, description="The id of a message.")]


@get(
    ["/chats/requests", "/api/chats/requests"],
    summary="List requests to me",
    description="Chats that somebody opened with me without a match, newest activity first; they are not in GET /chats. Until I "
    "accept one, or answer, the asker learns nothing of me. Pages as in GET /chats.",
    tags=TAGS,
)
async def list_requests(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    limit: Limit = 20,
    offset: Offset = 0,
    before_id: Cursor = None,
) -> list[Chat]:
    """The page after the chat `before_id`, or the first."""
    return await db.read(service.list_requests, me.user_id, limit, offset, before_id or 0)


@post(
    "/api/chats/{chat_id:int}/accept",
    status_code=200,
    summary="Accept a request",
    description="It becomes a chat like any other, and the asker sees what I have read. Both hear `chat`.",
    tags=TAGS,
    opt=LIMIT,
)
async def accept(chat_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Done:
    """Accept it."""
    return await commit(requests.accept, me.user_id, chat_id)


@post(
    "/api/chats/{chat_id:int}/decline",
    status_code=200,
    summary="Decline a request",
    description="I see it no more; the asker does not notice. To take it back, open a chat with them. My devices hear `chat`.",
    tags=TAGS,
    opt=LIMIT,
)
async def decline(chat_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Done:
    """Decline it."""
    return await commit(requests.decline, me.user_id, chat_id)


@get(
    "/api/chats/unread-count",
    summary="Count what I have not read",
    description="Messages and the chats they are in (those marked as unread, too), and requests by themselves.",
    tags=TAGS,
)
async def count_unread(me: NamedDependency[Identity], db: NamedDependency[Database]) -> Unread:
    """The numbers."""
    return await db.read(service.count_unread, me.user_id)


@get(
    "/api/messages/hidden",
    summary="List what my hidden words keep away",
    description="The latest first; before the message `before_id`, if one is given. See PUT /me/hidden-words.",
    tags=TAGS,
)
async def list_hidden(
    me: NamedDependency[Identity], db: NamedDependency[Database], limit: Limit = 20, before_id: BeforeId = None
) -> list[Message]:
    """One page of it."""
    return await db.read(veils.list_hidden, me.user_id, limit, before_id)


@post(
    "/api/messages/{message_id:int}/unhide",
    status_code=200,
    summary="Read a message that my hidden words keep away",
    description="It takes its place in the chat, read; my devices hear `message`, as if it came now.",
    tags=TAGS,
    opt=LIMIT,
)
async def unhide(message_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Done:
    """Keep it away no more."""
    return await commit(veils.lift, me.user_id, message_id)


handlers = [list_requests, accept, decline, count_unread, list_hidden, unhide]
