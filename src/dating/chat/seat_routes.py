"""What a member switches in a chat for themselves, over HTTP."""

from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from dating.chat import seats
from dating.chat.models import Done, Switch
from dating.idempotency import Commit
from dating.tokens import Identity

TAGS = ["Chats and messages"]
LIMIT = {"limit": "read"}


@post(
    "/api/chats/{chat_id:int}/mute",
    status_code=200,
    summary="Mute a chat",
    description="For me alone; my other devices hear `chat`.",
    tags=TAGS,
    opt=LIMIT,
)
async def mute(
    chat_id: FromPath[int], data: JSONBody[Switch], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Done:
    """No notifications from this chat, or again."""
    return await commit(seats.mute, me.user_id, chat_id, data.on)


@post(
    "/api/chats/{chat_id:int}/archive",
    status_code=200,
    summary="Archive a chat",
    description="For me alone; my other devices hear `chat`.",
    tags=TAGS,
    opt=LIMIT,
)
async def archive(
    chat_id: FromPath[int], data: JSONBody[Switch], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Done:
    """Out of the way, or back."""
    return await commit(seats.archive, me.user_id, chat_id, data.on)


@post(
    "/api/chats/{chat_id:int}/pin",
    status_code=200,
    summary="Pin a chat",
    description="For me alone; my other devices hear `chat`. The list stays in the order of activity: clients put it on top.",
    tags=TAGS,
    opt=LIMIT,
)
async def pin(
    chat_id: FromPath[int], data: JSONBody[Switch], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Done:
    """On top of my list, or not."""
    return await commit(seats.pin, me.user_id, chat_id, data.on)


@post(
    "/api/chats/{chat_id:int}/unread",
    status_code=200,
    summary="Mark a chat as unread",
    description="For me alone; my other devices hear `chat`. Reading the chat takes the mark off.",
    tags=TAGS,
    opt=LIMIT,
)
async def mark_unread(
    chat_id: FromPath[int], data: JSONBody[Switch], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Done:
    """To be read later, or not."""
    return await commit(seats.mark_unread, me.user_id, chat_id, data.on)


handlers = [mute, archive, pin, mark_unread]
