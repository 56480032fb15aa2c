"""The rules of sending: who may write what where, once for each client id.

Messages come from many people at once, so they are judged and written together: see `Database.write_together`.
"""

from collections.abc import Sequence

from dating.chat import post_queries as queries
from dating.chat.access import ChatNotFound, MessageNotFound
from dating.chat.models import Draft, Message, Post, Verdict
from dating.clock import rfc3339
from dating.database import Database, Overtaken, Transaction
from dating.errors import Conflict, Malformed, Refusal
from dating.realtime import events
from dating.realtime.inbox import tell_members

Answer = tuple[Message, bool]
"""A message, and whether it is new."""


class EmptyMessage(Malformed):
    """400: nothing but blanks was to be sent."""

    code = "empty_message"
    detail = "A message needs content that is not blank."


class MediaNotAvailable(Malformed):
    """400: media cannot be sent yet."""

    code = "media_not_available"
    detail = "Media cannot be sent yet; leave media_ids empty."


class NotAvailable(Malformed):
    """400: this part of the API is not there yet."""

    code = "not_available"
    detail = "This is not available yet."


class ClientIdReused(Conflict):
    """409: another message of mine has this client id."""

    code = "client_id_reused"
    detail = "This client_id (or Idempotency-Key) was used for another message."


async def send(db: Database, me: int, draft: Draft, key: str | None) -> Answer:
    """Send a message, once for each client id (`key` stands in where the draft has none); the message, and whether it is new.

    Raises EmptyMessage, MediaNotAvailable, NotAvailable, ChatNotFound, MessageNotFound (reply_to_id) or ClientIdReused.
    """
    content = judge(draft)
    return await db.write_together(post, Post(me, draft.chat_id, content, draft.reply_to_id, draft.client_id or key))


def judge(draft: Draft) -> str:
    """The text that is to be sent. Raises what `send` says of drafts."""
    if draft.media_ids:
        raise MediaNotAvailable
    if draft.expires_in is not None:
        raise NotAvailable("Disappearing messages are not available yet; leave expires_in out.")
    if draft.content is None or not draft.content.strip():
        raise EmptyMessage
    return draft.content


async def post(tx: Transaction, posts: list[Post]) -> list[Answer | Refusal]:
    """Write down what may be written, tell everybody in the chats, and say of each post what became of it."""
    for n, one in enumerate(posts):
        one.n = n
    verdicts = await queries.look(tx, posts)
    answers = {one.n: answer_old(one, verdicts.get(one.n)) for one in posts}
    fresh, twins = part([one for one in posts if answers[one.n] is None])
    if fresh:
        written = await write(tx, fresh, verdicts)
        answers |= {n: (message, True) for n, message in written.items()}
        answers |= {one.n: answer_twin(one, first, written[first.n]) for one, first in twins}
    return [answer for one in posts if (answer := answers[one.n]) is not None]


def answer_old(one: Post, verdict: Verdict | None) -> Answer | Refusal | None:
    """What is to be answered without writing anything; None when the post is to be written."""
    if verdict is None:
        return ChatNotFound()
    if not verdict.has_original:
        return MessageNotFound()
    if verdict.first_id is None:
        return None
    if (verdict.first_chat_id, verdict.first_content, verdict.first_reply_to_id) != (one.chat_id, one.content, one.reply_to_id):
        return ClientIdReused()
    assert verdict.first_at is not None
    return show(one, verdict.first_id, verdict.other_id, rfc3339(verdict.first_at)), False


def part(posts: Sequence[Post]) -> tuple[list[Post], list[tuple[Post, Post]]]:
    """The first post of each client id, and the others, each with that first one."""
    fresh: list[Post] = []
    twins: list[tuple[Post, Post]] = []
    firsts: dict[tuple[int, str], Post] = {}
    for one in posts:
        first = one if one.client_id is None else firsts.setdefault((one.me, one.client_id), one)
        if first is one:
            fresh.append(one)
        else:
            twins.append((one, first))
    return fresh, twins


def answer_twin(one: Post, first: Post, message: Message) -> Answer | Refusal:
    """What a repeat in the same batch is answered."""
    if (one.chat_id, one.content, one.reply_to_id) != (first.chat_id, first.content, first.reply_to_id):
        return ClientIdReused()
    return message, False


async def write(tx: Transaction, posts: Sequence[Post], verdicts: dict[int, Verdict]) -> dict[int, Message]:
    """Write the posts down and tell the members. The chats' rows come first: they order the messages of a chat by commit.

    Whether sender and receivers see each other is asked again at the end, when a block that came before has been committed: see
    dating.safety.service. Raises Overtaken when any of it has changed since the verdicts.
    """
    if not await queries.count_messages(tx, posts):
        raise Overtaken
    ids = await queries.add_messages(tx, posts)
    if len(ids) != len(posts):
        raise Overtaken
    at = rfc3339(tx.now)
    messages = {one.n: show(one, id_, verdicts[one.n].other_id, at) for one, id_ in zip(posts, ids, strict=True)}
    await tell_members(tx, [(message.chat_id, describe(message)) for message in messages.values()])
    if not await queries.count_own(tx, posts):
        raise Overtaken
    return messages


def show(one: Post, id_: int, other_id: int | None, at: str) -> Message:
    """The message as it is when it has just been sent."""
    return Message(id_, one.chat_id, one.me, other_id, one.content, "text", False, at, one.client_id, one.reply_to_id)


def describe(message: Message) -> events.Message:
    """What the members hear."""
    return events.Message(
        message.id, message.chat_id, message.sender_id, message.content, message.created_at, "text", message.client_id,
        message.reply_to_id,
    )  # fmt: skip
