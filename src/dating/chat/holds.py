"""Messages that are held until a classifier or a moderator has looked at them, as their senders see them.

A held message is nowhere but in `screenings`: no member, search or count knows of it. Its sender sees it as sent, in the chat and
in the list, may take it back, and is answered with it when it is sent again. `releases` says how it ends.

Where messages are held, edits are too: until one was judged, everybody reads what the message said before, and its sender alone
is shown beside it what it is to say (`waiting_content`). A later edit takes the place of one that waits, one back to what the
message says takes it back, and a deletion drops it. No history, list, search, version, forward or event has it.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from dating.chat import hold_queries as queries
from dating.chat import post_queries
from dating.chat.access import ClientIdReused
from dating.chat.drafts import describe, show
from dating.chat.hold_models import HeldRow, OwnHeld
from dating.chat.message_models import Message
from dating.chat.models import Chat, Room
from dating.chat.post_models import Post, Verdict
from dating.database import Transaction
from dating.errors import Refusal
from dating.realtime import events, inbox


async def hold(tx: Transaction, posts: Sequence[Post], verdicts: dict[int, Verdict]) -> dict[int, Message]:
    """Keep the posts from everybody but their senders' devices."""
    ids = await post_queries.add_messages(tx, posts)
    await post_queries.unmake(tx, ids)
    held = list(zip(posts, ids, strict=True))
    await queries.keep(tx, [(id_, one.chat_id, one.me, one) for one, id_ in held])
    messages = {one.n: show(one, id_, verdicts[one.n].other_id, tx.now) for one, id_ in held}
    for one, _ in held:
        request = verdicts[one.n].request is not None
        await inbox.tell(tx, [one.me], describe(messages[one.n], request=request))
    return messages


async def watch(tx: Transaction, messages: Iterable[Message]) -> None:
    """Let a classifier look at messages that are delivered."""
    await queries.keep(tx, [(one.id, one.chat_id, one.sender_id, None) for one in messages if one.sender_id is not None])


async def hold_edit(tx: Transaction, me: int, chat_id: int, message_id: int, content: str) -> None:
    """Keep an edit of a message of mine from everybody."""
    await queries.keep_edit(tx, me, chat_id, message_id, content)


async def rewatch(tx: Transaction, me: int, chat_id: int, message_id: int) -> None:
    """Let a classifier look at a message of mine that says something else now; it is not held, but shown to moderators."""
    await queries.keep(tx, [(message_id, chat_id, me, None)])


async def answer_old(
    tx: Transaction, posts: Sequence[Post], verdicts: dict[int, Verdict]
) -> dict[int, tuple[Message, bool] | Refusal | None]:
    """What is to be answered to posts that are held already, by their places."""
    answers: dict[int, tuple[Message, bool] | Refusal | None] = {}
    before = await queries.list_sent_before(tx, posts) if posts else {}
    for one in posts:
        row = before.get(one.n)
        if row is not None:
            first = read_draft(row)
            repeated = one.is_repeat_of(first.chat_id, first.content, first.reply_to_id)
            other_id = verdicts[one.n].other_id
            answers[one.n] = (show(first, row.message_id, other_id, row.created_at), False) if repeated else ClientIdReused()
    return answers


def read_draft(row: HeldRow) -> Post:
    """The message as it was sent."""
    (draft,) = msgspec.json.decode(row.draft, type=list[Post])
    return draft


async def add_own(
    tx: Transaction, room: Room, me: int, messages: list[Message], limit: int, before_id: int, after_id: int | None
) -> list[Message]:
    """A page of a chat with what of mine is held there, ascending and perhaps longer: what `list_messages` says of its ids."""
    if after_id is None:
        rows = await queries.list_older(tx, me, room.id, before_id, limit)
    else:
        rows = await queries.list_newer(tx, me, room.id, after_id, before_id, limit)
    held = [show(read_draft(row), row.message_id, room.other(me), row.created_at) for row in rows]
    return sorted([*await add_edits(tx, me, messages), *held], key=lambda message: message.id)


async def add_edits(tx: Transaction, me: int, messages: list[Message]) -> list[Message]:
    """The messages with what mine are to say, where that waits."""
    own = [one.id for one in messages if one.sender_id == me]
    edits = {row.message_id: row.edit for row in await queries.list_edits(tx, me, own)} if own else {}
    return [replace(one, waiting_content=edits[one.id]) if one.id in edits else one for one in messages]


async def complete(tx: Transaction, me: int, chats: list[Chat]) -> list[Chat]:
    """The chats with my held message as the last one, where it is."""
    rows = await queries.list_latest(tx, me, [chat.id for chat in chats]) if chats else []
    latest = {draft.chat_id: (draft, row) for row in rows for draft in [read_draft(row)]}
    return [replace(chat, **top(me, chat, *latest[chat.id])) if chat.id in latest else chat for chat in chats]


def top(me: int, chat: Chat, draft: Post, row: HeldRow) -> dict[str, object]:
    """What the list shows of a held message, if nothing was said after it."""
    if chat.last_message_id is not None and chat.last_message_id > row.message_id:
        return {}
    shown = show(draft, row.message_id, None, row.created_at)
    return {
        "last_message": shown.content,
        "last_message_id": shown.id,
        "last_message_time": shown.created_at,
        "last_message_user": me,
        "is_read": False,
    }


async def export(tx: Transaction, me: int) -> list[OwnHeld]:
    """What of mine is held, wherever I have sent it: messages, and edits of delivered ones."""
    drafts = [OwnHeld(row.message_id, read_draft(row).content, row.created_at) for row in await queries.list_all_own(tx, me)]
    edits = [OwnHeld(row.message_id, row.edit, row.created_at) for row in await queries.list_all_own_edits(tx, me)]
    return [*drafts, *edits]


async def withdraw(tx: Transaction, me: int, message_id: int, *, for_all: bool) -> bool:
    """Take back a held message of mine, which my devices hear; False when there is none."""
    chat_id = await queries.withdraw(tx, me, message_id)
    if chat_id is not None:
        await inbox.tell(tx, [me], events.MessageDeleted(chat_id, message_id, me, for_all=for_all))
    return chat_id is not None
