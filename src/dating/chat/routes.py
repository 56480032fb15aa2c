"""Chats over HTTP: send, list, read."""

from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from dating.chat import group_routes, history, message_routes, posts, receipts, request_routes, seat_routes, service
from dating.chat.message_models import Message
from dating.chat.models import Chat, Done, NewChat
from dating.chat.post_models import Draft
from dating.chat.receipt_models import ChatToRead, MessagesToRead
from dating.database import Database
from dating.idempotency import Commit, read_key
from dating.parameters import Cursor, Limit, Offset
from dating.settings import Settings
from dating.tokens import Identity

MessageLimit = Annotated[int, QueryParameter(ge=1, le=200, description="Most messages to answer.")]
MessageId = Annotated[int | None, QueryParameter(ge=1, lt=2**53, description="The id of a message.")]
# gt=-1 says what ge=0 says: Litestar drops a bound of 0 from the document of an optional number.
AfterId = Annotated[int | None, QueryParameter(gt=-1, lt=2**53, description="The id of a message; 0: from the beginning.")]
TAGS = ["Chats and messages"]
SENT_BEFORE = {200: ResponseSpec(Message, description="This message was sent before; here is the first answer again")}
WAS_THERE = {200: ResponseSpec(Chat, description="The chat was there already")}


@post(
    ["/messages/send", "/api/messages"],
    summary="Send a message",
    description="Into a chat of mine. A repeat by `client_id` (or `Idempotency-Key`) answers with the first message, status 200.",
    tags=TAGS,
    responses=SENT_BEFORE,
    opt={"limit": "message", "key": True, "direct": True},
)
async def send(
    request: Request[Any, Any, Any], data: JSONBody[Draft], me: NamedDependency[Identity], db: NamedDependency[Database]
) -> Response[Message]:
    """Send a message to everybody in the chat, my other devices included."""
    message, new = await posts.send(db, me.user_id, data, read_key(request), request.app.state.rules)
    if request.app.state.rules.screening != "rules":
        request.app.state.screener.wake()
    return Response(message, status_code=201 if new else 200)


@get(
    ["/chats", "/api/chats"],
    summary="List my chats",
    description="Newest activity first. For the next page give the `id` of the last one as `before_id`.",
    tags=TAGS,
)
async def list_chats(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    limit: Limit = 20,
    offset: Offset = 0,
    before_id: Cursor = None,
) -> list[Chat]:
    """The page after the chat `before_id`, or the first."""
    return await db.read(service.list_chats, me.user_id, limit, offset, before_id or 0)


@post(
    "/api/chats",
    summary="Open a chat",
    description="A direct chat, one for each pair, or a group. Without a match it needs the other's `messages_from`: `everyone`, "
    "or `followed` when they like me; it is then a request that waits in `/chats/requests` of theirs until they answer.",
    tags=TAGS,
    responses=WAS_THERE,
)
async def open_chat(
    data: JSONBody[NewChat],
    me: NamedDependency[Identity],
    commit: NamedDependency[Commit],
    db: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> Response[Chat]:
    """Find the chat with somebody, or make it."""
    most = settings.new_chats_per_day if settings.rate_limits else 0
    opened = await commit(service.start, me.user_id, data, most)
    chat = await db.read(service.show_chat, me.user_id, opened.chat_id)
    return Response(chat, status_code=201 if opened.created else 200)


@get("/api/chats/{chat_id:int}", summary="Get a chat", description="One of mine, with its members.", tags=TAGS)
async def show_chat(chat_id: FromPath[int], me: NamedDependency[Identity], db: NamedDependency[Database]) -> Chat:
    """The chat as the list shows it."""
    return await db.read(service.show_chat, me.user_id, chat_id)


@get(
    ["/chat/messages/{chat_id:int}", "/api/chats/{chat_id:int}/messages"],
    summary="List messages",
    description="Ascending by id: those after `after_id`, or the last ones before `before_id`, or the newest.",
    tags=TAGS,
)
async def list_messages(
    chat_id: FromPath[int],
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    limit: MessageLimit = 50,
    before_id: MessageId = None,
    after_id: AfterId = None,
) -> list[Message]:
    """A page of one of my chats."""
    return await db.read(history.list_messages, me.user_id, chat_id, limit, before_id, after_id)


@post(
    "/chat/read",
    status_code=200,
    summary="Mark a chat as read",
    description="To its end. The other hears `read_chat` if anything was new.",
    tags=TAGS,
    opt={"limit": "read"},
)
async def read_chat(data: JSONBody[ChatToRead], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> bool:
    """Read everything that is there now."""
    return await commit(receipts.read_chat, me.user_id, data.chat_id)


@post(
    "/messages/read",
    status_code=200,
    summary="Mark messages as read",
    description="Others' messages of one chat; other ids change nothing. The other hears `read_messages` with what was new.",
    tags=TAGS,
    opt={"limit": "read"},
)
async def read_messages(data: JSONBody[MessagesToRead], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Done:
    """Read some messages."""
    return await commit(receipts.read_messages, me.user_id, data.chat_id, data.message_ids)


handlers = [
    send,
    list_chats,
    open_chat,
    show_chat,
    list_messages,
    read_chat,
    read_messages,
    *request_routes.handlers,
    *message_routes.handlers,
    *seat_routes.handlers,
    *group_routes.handlers,
]
