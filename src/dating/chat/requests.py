"""Message requests: a chat that somebody opened without a match, until the one who was asked accepts it.

It stands in a list of its own and is counted apart. Until it is accepted, the asker learns nothing of the other: not what was
received or read, no typing, no presence; neither can call, react or pin. An answer accepts it, and so does a match. Whoever
declines sees it no more, and the asker does not notice; opening the chat oneself takes that back.
"""

from collections.abc import Sequence

from dating.chat import access
from dating.chat import request_queries as queries
from dating.chat.models import Done
from dating.chat.request_models import Request
from dating.clock import DAY, SECOND
from dating.database import Transaction
from dating.errors import Conflict, Throttled
from dating.realtime import events, inbox


class NotAsked(Conflict):
    """409: the chat is no request to me."""

    code = "not_a_request"
    detail = "This chat is no request that waits for your answer."


class TooManyChats(Throttled):
    """429: I have opened so many chats with people who are no matches today."""

    code = "too_many_new_chats"
    detail = "You have opened too many new chats today."


async def accept(tx: Transaction, me: int, chat_id: int) -> Done:
    """Make a request to me a chat like any other; both hear it. Raises ChatNotFound or NotAsked."""
    room = await access.take(tx, me, chat_id)
    if room.asker_id in (None, me):
        raise NotAsked
    await settle(tx, [chat_id])
    return Done()


async def decline(tx: Transaction, me: int, chat_id: int) -> Done:
    """Put a request to me away, which only my own devices hear. Raises ChatNotFound or NotAsked."""
    await access.take(tx, me, chat_id)
    if not await queries.decline(tx, me, chat_id):
        raise NotAsked
    await inbox.tell(tx, [me], events.Chat(chat_id, me, "declined"))
    return Done()


async def take_back(tx: Transaction, me: int, chat_id: int) -> None:
    """Accept a request that I had declined, if I had."""
    if await queries.was_declined(tx, me, chat_id):
        await settle(tx, [chat_id])


async def settle(tx: Transaction, chat_ids: Sequence[int]) -> None:
    """Make requests chats like any other: both hear it, and the asker what was received and read by now."""
    for one in await queries.settle(tx, chat_ids):
        await tell_settled(tx, one)


async def tell_settled(tx: Transaction, one: Request) -> None:
    """Tell both. Raises ChatNotFound when a block came first."""
    room = await access.see(tx, one.asked_id, one.id)
    await access.announce(tx, one.asked_id, room, events.Chat(one.id, one.asked_id, "accepted"))
    marks = await queries.read_marks(tx, one.asker_id, one.id, one.asked_id)
    if marks.delivered_id:
        await inbox.tell(tx, [one.asker_id], events.Delivered(one.id, one.asked_id, marks.delivered_id))
    if marks.read_id:
        await inbox.tell(tx, [one.asker_id], events.ReadChat(one.id, one.asked_id, marks.read_id))


async def judge_budget(tx: Transaction, me: int, most: int) -> None:
    """Whether I may open one more chat without a match today; 0: always. Raises TooManyChats."""
    if not most:
        return
    await inbox.hold(tx, [me])
    asked = await queries.list_asked(tx, me, tx.now - DAY)
    if len(asked) >= most:
        raise TooManyChats(retry_after=max(1, -(-(asked[-most] + DAY - tx.now) // SECOND)))
