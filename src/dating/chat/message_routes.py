"""What is done with messages that are there, over HTTP."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from dating.chat import changes, history, polls
from dating.chat.limits import Rules
from dating.chat.message_models import Deletion, Edit, Emoji, Message, Version
from dating.chat.models import Done, Switch
from dating.chat.poll_models import Choices
from dating.database import Database
from dating.idempotency import Commit
from dating.tokens import Identity

TAGS = ["Chats and messages"]
FOR_ALL = Deletion()
LIMIT = {"limit": "read"}


@post(
    "/api/messages/{message_id:int}/react",
    status_code=200,
    summary="React to a message",
    description="One emoji for each person and message; the same again takes it back. The chat hears `reaction`.",
    tags=TAGS,
    opt=LIMIT,
)
async def react(
    message_id: FromPath[int],
    data: JSONBody[Emoji],
    me: NamedDependency[Identity],
    commit: NamedDependency[Commit],
    db: NamedDependency[Database],
) -> Message:
    """The message with its reactions."""
    await commit(changes.react, me.user_id, message_id, data.emoji)
    return await db.read(history.show_message, me.user_id, message_id)


@post(
    "/api/messages/{message_id:int}/vote",
    status_code=200,
    summary="Vote in a poll",
    description="In place of my earlier vote; nothing chosen takes it back. All see who chose what. The chat hears `vote`.",
    tags=TAGS,
    opt=LIMIT,
)
async def vote(
    message_id: FromPath[int],
    data: JSONBody[Choices],
    me: NamedDependency[Identity],
    commit: NamedDependency[Commit],
    db: NamedDependency[Database],
) -> Message:
    """The message with its votes."""
    await commit(polls.vote, me.user_id, message_id, data.choices)
    return await db.read(history.show_message, me.user_id, message_id)


@post(
    "/api/messages/{message_id:int}/edit",
    status_code=200,
    summary="Edit a message",
    description="A text of mine. Whoever may read it may read what it said before, too. The chat hears `message_edited`. "
    "Where a classifier holds messages, that is once it has judged the edit: until then all stays as it was, and "
    "`waiting_content` shows me alone what the message is to say.",
    tags=TAGS,
    opt=LIMIT,
)
async def edit(
    message_id: FromPath[int],
    data: JSONBody[Edit],
    me: NamedDependency[Identity],
    commit: NamedDependency[Commit],
    db: NamedDependency[Database],
    rules: NamedDependency[Rules],
) -> Message:
    """The message as it is now."""
    await commit(changes.edit, me.user_id, message_id, data.content, rules)
    return await db.read(history.show_own, me.user_id, message_id)


@get(
    "/api/messages/{message_id:int}/versions",
    summary="Read what a message has said",
    description="The oldest version first, the present one last. A message deleted for all has said nothing.",
    tags=TAGS,
)
async def list_versions(message_id: FromPath[int], me: NamedDependency[Identity], db: NamedDependency[Database]) -> list[Version]:
    """All versions of a message that I may read."""
    return await db.read(history.list_versions, me.user_id, message_id)


@post(
    "/api/messages/{message_id:int}/delete",
    status_code=200,
    summary="Delete a message",
    description=(
        "For all (one of mine, or any in a group that I manage): what it said is gone everywhere, and the chat hears "
        "`message_deleted`. Or for me alone: my own devices hear it, and if I had not read the message, I have now. "
        "The body may be left out: for all."
    ),
    tags=TAGS,
    opt=LIMIT,
)
async def delete(
    message_id: FromPath[int],
    me: NamedDependency[Identity],
    commit: NamedDependency[Commit],
    data: JSONBody[Deletion] = FOR_ALL,
) -> Done:
    """Take a message back, or out of my sight."""
    return await commit(changes.delete, me.user_id, message_id, data.for_all)


@post(
    "/api/messages/{message_id:int}/pin",
    status_code=200,
    summary="Pin a message",
    description="For everybody in the chat; in a group by those who manage it. The chat hears `pinned`.",
    tags=TAGS,
    opt=LIMIT,
)
async def pin(
    message_id: FromPath[int], data: JSONBody[Switch], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Done:
    """Pin it, or take it down."""
    return await commit(changes.pin, me.user_id, message_id, data.on)


@get(
    "/api/chats/{chat_id:int}/pins",
    summary="List the pinned messages of a chat",
    description="At most 100, the latest pinned first.",
    tags=TAGS,
)
async def list_pinned(chat_id: FromPath[int], me: NamedDependency[Identity], db: NamedDependency[Database]) -> list[Message]:
    """What is pinned in a chat of mine."""
    return await db.read(history.list_pinned, me.user_id, chat_id)


handlers = [react, vote, edit, list_versions, delete, pin, list_pinned]
