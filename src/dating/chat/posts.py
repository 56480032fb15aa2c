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
from dating.realtime.audience import tell_members, tell_pairs

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
    plain = await take_plain(tx, posts, rules)
    if plain:
        return [(message, True) for message in (await deliver(tx, posts, plain, {}, rules)).values()]
    verdicts = await queries.look(tx, posts)
    answers = {one.n: answer_old(one, verdicts.get(one.n)) for one in posts}
    if rules.screening == "hold":
        answers |= await holds.answer_old(tx, [one for one in posts if answers[one.n] is None], verdicts)
    fresh, twins = part([one for one in posts if answers[one.n] is None])
    bound(fresh, verdicts)
    refused = await limits.judge(tx, fresh, verdicts, rules)
    answers |= refused
    fresh = [one for one in fresh if one.n not in refused]
    written = await carry(tx, fresh, verdicts, rules) if fresh else {}
    answers |= {n: (message, True) for n, message in written.items()}
    answers |= {one.n: refused.get(first.n) or answer_twin(one, first, written[first.n]) for one, first in twins}
    return [answer for one in posts if (answer := answers[one.n]) is not None]


async def take_plain(tx: Transaction, posts: Sequence[Post], rules: Rules) -> dict[int, Verdict]:
    """What is known of the posts, if nothing is special about any of them: their chats are taken then, and counted up.

    Nothing when they have to be looked at one by one. Raises Oversized, Overtaken.
    """
    if rules.screening == "hold" or part(posts)[1]:
        return {}
    plain = await queries.take_plain(tx, posts, tx.now - rules.newcomer_span)
    bound(posts if plain else (), plain)
    return plain


def bound(posts: Sequence[Post], verdicts: dict[int, Verdict]) -> None:
    """Raises Oversized when they are told to too many people at once; one post never is."""
    if len(posts) > 1 and sum(verdicts[one.n].members for one in posts) > MOST_ROWS:
        raise Oversized


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
    return await deliver(tx, posts, verdicts, await take(tx, posts, verdicts), rules)


async def deliver(
    tx: Transaction, posts: Sequence[Post], verdicts: dict[int, Verdict], waiting: dict[int, int | None], rules: Rules
) -> dict[int, Message]:
    """Write posts down whose chats are taken, and let a classifier look at them, if there is one."""
    written = await write_down(tx, posts, verdicts, waiting)
    if rules.screening == "score":
        await holds.watch(tx, written.values())
    return written


async def write(tx: Transaction, posts: Sequence[Post], verdicts: dict[int, Verdict]) -> dict[int, Message]:
    """Write the posts down and tell the members. Raises Overtaken when anything has changed since the verdicts."""
    return await write_down(tx, posts, verdicts, await take(tx, posts, verdicts))


async def take(tx: Transaction, posts: Sequence[Post], verdicts: dict[int, Verdict]) -> dict[int, int | None]:
    """Take the chats, which orders the messages of a chat by commit, and accept requests; what is said of those that wait.

    Raises Overtaken.
    """
    if not await queries.count_messages(tx, posts):
        raise Overtaken
    requested = [one for one in posts if verdicts[one.n].request is not None]
    return await carry_requests(tx, requested, verdicts) if requested else {}


async def write_down(
    tx: Transaction, posts: Sequence[Post], verdicts: dict[int, Verdict], waiting: dict[int, int | None]
) -> dict[int, Message]:
    """Write the posts into chats that are taken, and tell the members.

    Whether sender and receivers see each other is asked again at the end, when a block that came before has been committed: see
    dating.safety.service. Raises Overtaken when they do not, or when anything else has changed since the verdicts.
    """
    ids = await queries.add_messages(tx, posts)
    messages = {one.n: show(one, id_, verdicts[one.n].other_id, tx.now) for one, id_ in zip(posts, ids, strict=True)}
    polls = [(id_, one.poll) for one, id_ in zip(posts, ids, strict=True) if one.poll is not None]
    if polls:
        await queries.add_polls(tx, polls)
    wary = [(one.chat_id, one.me, messages[one.n].id, one.text) for one in posts if verdicts[one.n].is_wary]
    veiled = await veils.keep_away(tx, wary) if wary else []
    is_hidden = await tell(tx, list(messages.values()), waiting, veiled)
    if not await queries.count_own(tx, posts):
        raise Overtaken
    if is_hidden:
        grouped = [message.id for message in messages.values() if message.receiver_id is None]
        veiled = [*veiled, *set(await queries.list_unseen(tx, grouped)).difference(veiled)]
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


async def tell(tx: Transaction, messages: Sequence[Message], waiting: dict[int, int | None], veiled: Sequence[Unseen]) -> bool:
    """Tell the members, but for those who are not to hear of it; whether any of it is hidden from a member of a group."""
    places = {message.id: n for n, message in enumerate(messages)}
    muffled = {(places[one.message_id], one.user_id) for one in veiled}
    for message in messages:
        declined_by = waiting.get(message.chat_id)
        if declined_by is not None:
            muffled.add((places[message.id], declined_by))
    events = [describe(message, request=message.chat_id in waiting) for message in messages]
    pairs = [
        (event.user_id, message.receiver_id, event)
        for message, event in zip(messages, events, strict=True)
        if message.receiver_id is not None and event.user_id is not None
    ]
    if len(pairs) == len(messages):
        await tell_pairs(tx, pairs, muffled)
        return False
    said = [(message.chat_id, event) for message, event in zip(messages, events, strict=True)]
    return await tell_members(tx, said, muffled)
