"""Limits of sending that no honest person meets: what strangers may write first, and how much newcomers may write.

A request is short plain text, without a link, and then the asker waits for an answer. Whoever has registered lately may send so
many messages an hour and so many links a day, and one text to so many chats a day. Of that, a hash of the text and numbers are
kept for a day. Established people cost nothing here.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from dating.chat import hold_queries, request_queries
from dating.chat import limit_queries as queries
from dating.chat.limit_models import Newcomer, Sending
from dating.chat.links import find_links
from dating.chat.models import Room
from dating.chat.post_models import Post, Verdict
from dating.clock import DAY, HOUR, SECOND
from dating.database import Transaction
from dating.errors import Forbidden, Malformed, Refusal, Throttled
from dating.safety import stems
from dating.settings import Settings

SHORTEST = 20
"""Characters of a text that is worth comparing: everybody says hello to everybody."""


Screening = Literal["rules", "hold", "score"]
"""What judges messages: these rules alone, or also a classifier, before or after they are delivered."""


class Rules(msgspec.Struct, frozen=True):
    """How much is allowed; 0 in what newcomers may: no limit. `newcomer_span` in microseconds."""

    first_messages: int = 1
    first_length: int = 500
    newcomer_span: int = 0
    messages_per_hour: int = 0
    links_per_day: int = 0
    same_text: int = 0
    screening: Screening = "rules"


class AnswerAwaited(Forbidden):
    """403: the other has not answered yet."""

    code = "answer_awaited"
    detail = "Wait until your request is answered."


class FirstMessageTooLong(Malformed):
    """400: a request is short."""

    code = "first_message_too_long"
    detail = "A first message to somebody who is no match must be shorter."


class FirstMessageLink(Malformed):
    """400: a request has no link."""

    code = "first_message_link"
    detail = "A first message to somebody who is no match must not hold a link."


class FirstMessagePlain(Malformed):
    """400: a request is text of one's own."""

    code = "first_message_plain"
    detail = "A first message to somebody who is no match must be plain text, neither forwarded nor a poll."


class NewcomerFlood(Throttled):
    """429: more messages than somebody new may send within an hour."""

    code = "newcomer_messages"
    detail = "You have joined only now, and have sent very many messages; try again later."


class NewcomerLinks(Throttled):
    """429: more links than somebody new may send within a day."""

    code = "newcomer_links"
    detail = "You have joined only now, and have sent many links; try again later."


class SameText(Throttled):
    """429: the same text to more chats than somebody new may send it to within a day."""

    code = "same_text"
    detail = "You have joined only now, and have sent this to many people; write to each of them."


def read_rules(settings: Settings) -> Rules:
    """The rules of a server."""
    span = settings.newcomer_hours * HOUR if settings.rate_limits else 0
    return Rules(
        settings.first_messages,
        settings.first_message_length,
        span,
        settings.newcomer_messages_per_hour,
        settings.newcomer_links_per_day,
        settings.newcomer_same_text,
        settings.classifier_mode if settings.classifier_url else "rules",
    )


async def judge(tx: Transaction, posts: Sequence[Post], verdicts: dict[int, Verdict], rules: Rules) -> dict[int, Refusal]:
    """What must not be written, by its place; what newcomers may write is noted."""
    refused: dict[int, Refusal] = {}
    asked: dict[int, int] = {}
    newcomers = {one.me for one in posts if verdicts[one.n].joined_at > tx.now - rules.newcomer_span}
    if newcomers:
        await queries.hold(tx, newcomers)
    for one in posts:
        verdict = verdicts[one.n]
        if verdict.asks(one.me):
            said = await count_said(tx, one, verdict, rules) + asked.get(one.chat_id, 0)
            refusal = judge_first(one, rules) if said < rules.first_messages else AnswerAwaited()
            if refusal is None:
                asked[one.chat_id] = asked.get(one.chat_id, 0) + 1
            else:
                refused[one.n] = refusal
    new = [one for one in posts if one.n not in refused and one.me in newcomers]
    if new:
        refused |= await judge_newcomers(tx, new, rules)
    return refused


async def count_said(tx: Transaction, one: Post, verdict: Verdict, rules: Rules) -> int:
    """How many messages of a request there are, held ones included. Of those no count of the chat tells, so it is taken."""
    if rules.screening != "hold":
        return verdict.message_count
    return await request_queries.take_count(tx, one.chat_id) + await hold_queries.count_held(tx, one.me, one.chat_id)


def judge_first(one: Post, rules: Rules) -> Refusal | None:
    """What is wrong with a request."""
    if one.forwarded or one.poll is not None:
        return FirstMessagePlain()
    return judge_first_text(one.content, one.links, rules)


def judge_first_text(content: str, links: list[str], rules: Rules) -> Refusal | None:
    """What is wrong with its text."""
    if links:
        return FirstMessageLink()
    return FirstMessageTooLong() if len(content) > rules.first_length else None


async def hold_newcomer(tx: Transaction, me: int, rules: Rules) -> bool:
    """Whether I have joined lately; then nobody else counts what I send until this transaction ends.

    Before any chat is held: everybody takes the two in this order, so nobody waits crosswise.
    """
    is_new = rules.newcomer_span > 0 and await queries.read_joined(tx, me) > tx.now - rules.newcomer_span
    if is_new:
        await queries.hold(tx, {me})
    return is_new


async def judge_edit(tx: Transaction, me: int, room: Room, content: str, rules: Rules, is_new: bool) -> None:
    """Whether a message may say this from now on, also of a held newcomer. Raises what is wrong with it."""
    links = find_links(content)
    if room.asker_id == me and (refusal := judge_first_text(content, links, rules)):
        raise refusal
    if is_new:
        refused = await judge_newcomers(tx, [Post(me, room.id, content, None, None, links)], rules)
        for refusal in refused.values():
            raise refusal


async def judge_newcomers(tx: Transaction, posts: Sequence[Post], rules: Rules) -> dict[int, Refusal]:
    """What people who have joined lately, and are held, must not send now."""
    sendings = [Sending(one.n, one.me, one.chat_id, digest(one.text), len(find_links(one.text))) for one in posts]
    before = await queries.look_back(tx, sendings, tx.now - HOUR, tx.now - DAY)
    refused: dict[int, Refusal] = {}
    allowed: list[Sending] = []
    for one in sendings:
        refusal = judge_sending(one, before[one.n], [other for other in allowed if other.user_id == one.user_id], rules, tx.now)
        if refusal is None:
            allowed.append(one)
        else:
            refused[one.n] = refusal
    await queries.keep(tx, allowed)
    return refused


def judge_sending(one: Sending, past: Newcomer, beside: Sequence[Sending], rules: Rules, now: int) -> Refusal | None:
    """What is wrong with one of them; `beside`: what its sender sends with it."""
    if rules.messages_per_hour and past.messages + len(beside) >= rules.messages_per_hour:
        return NewcomerFlood(retry_after=wait(past.first_at, HOUR, now))
    if rules.links_per_day and one.links and past.links + sum(other.links for other in beside) + one.links > rules.links_per_day:
        return NewcomerLinks(retry_after=wait(past.first_link_at, DAY, now))
    same = {other.chat_id for other in beside if other.digest == one.digest} - {one.chat_id}
    if rules.same_text and one.digest is not None and past.chats + len(same) >= rules.same_text:
        return SameText(retry_after=wait(past.first_same_at, DAY, now))
    return None


def wait(first_at: int | None, span: int, now: int) -> int:
    """Whole seconds until the first of what was counted counts no more."""
    return max(1, -(-((now if first_at is None else first_at) + span - now) // SECOND))


def digest(text: str) -> str | None:
    """What texts that say the same have in common; None for what is too short."""
    return hashlib.sha256(" ".join(stems.tokenize(text)).encode()).hexdigest()[:32] if len(text) >= SHORTEST else None
