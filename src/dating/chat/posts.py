"""The rules of sending: who may write what where, once for each client id.

Messages come from many people at once, so they are judged and written together: see `Database.write_together`.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial

from dating.chat import holds, limits, request_queries, requests, veils
from dating.chat import post_queries as queries
from dating.chat.access import ChatNotFound, ClientIdReused, MessageNotFound
from dating.chat.drafts import describe, show
from dating.chat.limits import Rules
from dating.chat.links import find_links
from dating.chat.message_models import Message
from dating.chat.post_models import Draft, Post, Verdict
from dating.chat.veil_models import Unseen
from dating.database import Database, Oversized, Overtaken, Transaction
from dating.errors import Malformed, Refusal
from dating.realtime.inbox import tell_members

MOST_ROWS = 4096
"""Entries of inboxes that one batch writes: a batch into groups would else keep the writer busy for a second."""

LENIENT = Rules()
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


class InvalidPoll(Malformed):
    """400: an option is blank, or comes twice."""

    code = "invalid_poll"
    detail = "The options of a poll are different texts."


class NotForwardable(Malformed):
    """400: what was deleted or disappears, polls and notes of the system are not forwarded."""

    code = "not_forwardable"
    detail = "This message cannot be forwarded."


async def send(db: Database, me: int, draft: Draft, key: str | None, rules: Rules) -> Answer:
    """Send a message, once for each client id (`key` stands in where the draft has none); the message, and whether it is new.

    Raises EmptyMessage, MediaNotAvailable, InvalidPoll, NotForwardable, ChatNotFound, MessageNotFound (reply_to_id,
    forward_of_id), ClientIdReused, and what `limits` says.
    """
    forwarded = draft.forward_of_id is not None
    content = await db.read(read_source, me, draft) if forwarded else judge(draft)
    one = Post(me, draft.chat_id, content, draft.reply_to_id, draft.client_id or key)
    one.links, one.expires_in, one.forwarded, one.poll = find_links(content), draft.expires_in, forwarded, draft.poll
    return await db.write_together(post_by(rules), one)


@cache
def post_by(rules: Rules) -> Callable[[Transaction, list[Post]], Awaitable[list[Answer | Refusal]]]:
    """What writes by these rules, the same function each time: what it is given together it writes together."""
    return partial(post, rules=rules)


def judge(draft: Draft) -> str:
    """The text that is to be sent. Raises what `send` says of drafts."""
    if draft.media_ids:
        raise MediaNotAvailable
    if draft.content is None or not draft.content.strip():
        raise EmptyMessage
    if draft.poll is not None:
        options = [option.strip() for option in draft.poll.options]
        if not all(options) or len(set(options)) < len(options):
            raise InvalidPoll
    return draft.content


async def read_source(tx: Transaction, me: int, draft: Draft) -> str:
    """The text that is to be forwarded. Whose it was and where is not passed on.

    Raises MessageNotFound, NotForwardable, or MediaNotAvailable.
    """
    if draft.media_ids:
        raise MediaNotAvailable
    if draft.content is not None or draft.poll is not None:
        raise NotForwardable("What is forwarded takes nothing along; leave content and poll out.")
    assert draft.forward_of_id is not None
    source = await queries.find_source(tx, me, draft.forward_of_id)
    if source is None:
        raise MessageNotFound
    if not source.forwardable:
        raise NotForwardable
    return source.content


async def post(tx: Transaction, posts: list[Post], rules: Rules = LENIENT) -> list[Answer | Refusal]:
    """Write down what may be written, tell everybody in the chats, and say of each post what became of it.

    Raises Oversized when they are too many people to be told at once.
    """
    for n, one in enumerate(posts):
        one.n = n
    verdicts = await queries.look(tx, posts)
    answers = {one.n: answer_old(one, verdicts.get(one.n)) for one in posts}
    if rules.screening == "hold":
        answers |= await holds.answer_old(tx, [one for one in posts if answers[one.n] is None], verdicts)
    fresh, twins = part([one for one in posts if answers[one.n] is None])
    if len(fresh) > 1 and sum(verdicts[one.n].members for one in fresh) > MOST_ROWS:
        raise Oversized
    refused = await limits.judge(tx, fresh, verdicts, rules)
    answers |= refused
    fresh = [one for one in fresh if one.n not in refused]
    written = await carry(tx, fresh, verdicts, rules) if fresh else {}
    answers |= {n: (message, True) for n, message in written.items()}
    answers |= {one.n: refused.get(first.n) or answer_twin(one, first, written[first.n]) for one, first in twins}
    return [answer for one in posts if (answer := answers[one.n]) is not None]


def answer_old(one: Post, verdict: Verdict | None) -> Answer | Refusal | None:
    """What is to be answered without writing anything; None when the post is to be written."""
    if verdict is None:
        return ChatNotFound()
    if not verdict.has_original:
        return MessageNotFound()
    if verdict.first_id is None:
        return None
    if not one.is_repeat_of(verdict.first_chat_id, verdict.first_content, verdict.first_reply_to_id):
        return ClientIdReused()
    assert verdict.first_at is not None
    return show(one, verdict.first_id, verdict.other_id, verdict.first_at), False


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
    if not one.is_repeat_of(first.chat_id, first.content, first.reply_to_id):
        return ClientIdReused()
    return message, False


async def carry(tx: Transaction, posts: Sequence[Post], verdicts: dict[int, Verdict], rules: Rules) -> dict[int, Message]:
    """Deliver the posts, hold them until a classifier has judged them, or deliver them and let it judge them afterwards."""
    if rules.screening == "hold":
        return await holds.hold(tx, posts, verdicts)
    written = await write(tx, posts, verdicts)
    if rules.screening == "score":
        await holds.watch(tx, written.values())
    return written


async def write(tx: Transaction, posts: Sequence[Post], verdicts: dict[int, Verdict]) -> dict[int, Message]:
    """Write the posts down and tell the members. The chats' rows come first: they order the messages of a chat by commit.

    Whether sender and receivers see each other is asked again at the end, when a block that came before has been committed: see
    dating.safety.service. Raises Overtaken when any of it has changed since the verdicts.
    """
    if not await queries.count_messages(tx, posts):
        raise Overtaken
    requested = [one for one in posts if verdicts[one.n].request is not None]
    waiting = await carry_requests(tx, requested, verdicts) if requested else {}
    ids = await queries.add_messages(tx, posts)
    if len(ids) != len(posts):
        raise Overtaken
    messages = {one.n: show(one, id_, verdicts[one.n].other_id, tx.now) for one, id_ in zip(posts, ids, strict=True)}
    polls = [(id_, one.poll) for one, id_ in zip(posts, ids, strict=True) if one.poll is not None]
    if polls:
        await queries.add_polls(tx, polls)
    wary = [(one.chat_id, one.me, messages[one.n].id, one.text) for one in posts if verdicts[one.n].is_wary]
    veiled = await veils.keep_away(tx, wary) if wary else []
    await tell(tx, list(messages.values()), waiting, veiled)
    if not await queries.count_own(tx, posts):
        raise Overtaken
    grouped = [message.id for message in messages.values() if message.receiver_id is None]
    if grouped:
        hidden = set(await queries.list_unseen(tx, grouped))
        veiled = [*veiled, *hidden.difference(veiled)]
    if veiled:
        await queries.count_as_read(tx, veiled)
        await veils.sink(tx, list(messages.values()), veiled)
    return messages


async def carry_requests(tx: Transaction, posts: Sequence[Post], verdicts: dict[int, Verdict]) -> dict[int, int | None]:
    """Accept the requests that are answered; of the others, who is not to hear of them because they declined (None: nobody).

    Raises Overtaken when somebody was faster. The chats are taken.
    """
    answered = {one.chat_id for one in posts if not verdicts[one.n].asks(one.me)}
    await requests.settle(tx, sorted(answered))
    counts = {one.chat_id: verdicts[one.n].message_count for one in posts}
    for one in posts:
        counts[one.chat_id] += 1
    rows = await request_queries.list_waiting(tx, sorted(counts.keys() - answered))
    if any(row.message_count != counts[row.id] for row in rows):
        raise Overtaken
    return {row.id: row.asked_id if row.request == "declined" else None for row in rows}


async def tell(tx: Transaction, messages: Sequence[Message], waiting: dict[int, int | None], veiled: Sequence[Unseen]) -> None:
    """Tell the members, but for those who are not to hear of it."""
    places = {message.id: n for n, message in enumerate(messages)}
    muffled = {(places[one.message_id], one.user_id) for one in veiled}
    for message in messages:
        declined_by = waiting.get(message.chat_id)
        if declined_by is not None:
            muffled.add((places[message.id], declined_by))
    said = [(message.chat_id, describe(message, request=message.chat_id in waiting)) for message in messages]
    await tell_members(tx, said, muffled)
