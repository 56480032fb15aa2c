"""Votes in polls. A person has one vote in each, of one option or, where that is allowed, several; a new one replaces it."""

import msgspec

from dating.chat import access
from dating.chat import poll_queries as queries
from dating.chat.models import Done
from dating.database import Transaction
from dating.errors import Conflict, Malformed
from dating.realtime import events


class NotAPoll(Conflict):
    """409: the message asks nothing, or nothing any more."""

    code = "not_a_poll"
    detail = "This message is not a poll."


class InvalidVote(Malformed):
    """400: the poll has no such option, or takes one only."""

    code = "invalid_vote"
    detail = "The poll does not offer this choice."


async def vote(tx: Transaction, me: int, message_id: int, given: list[int]) -> Done:
    """Vote, in place of my earlier vote; nothing chosen takes it back. The same again is not told.

    Raises MessageNotFound, RequestWaiting, NotAPoll or InvalidVote.
    """
    room, _ = await access.take_message(tx, me, message_id)
    access.require_settled(room)
    poll = await queries.find(tx, message_id)
    if poll is None:
        raise NotAPoll
    choices = sorted(set(given))
    options = msgspec.json.decode(poll.options, type=list[str])
    if any(choice >= len(options) for choice in choices) or (len(choices) > 1 and not poll.multiple):
        raise InvalidVote
    if choices != await queries.list_own(tx, me, message_id):
        await queries.replace(tx, me, message_id, choices)
        await access.announce(tx, me, room, events.Vote(room.id, message_id, me, choices))
    return Done()
