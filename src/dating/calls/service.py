"""The rules of calls: the two of a direct chat, one call at a time for each, and a note in the chat when nobody answered.

That a call rings, was answered or has ended is a durable event of both: every device rings, and stops when one has answered. What
the two devices tell each other goes straight to the other's sockets and is kept until the call ends, because it holds addresses.
A device that missed some of it reads the call.
"""

from collections.abc import Sequence

import msgspec

from dating.calls import queries
from dating.calls.models import Call, CallRow, NewCall, NewSignal, Noted
from dating.chat import access, notes
from dating.clock import SECOND, rfc3339
from dating.database import Transaction
from dating.errors import Conflict, Malformed, NotFound, Throttled
from dating.realtime import events
from dating.realtime.inbox import hold, pass_on, tell
from dating.safety import service as safety

RING = 45 * SECOND
LONGEST = 4 * 3600 * SECOND
MOST_SIGNALS = 500  # of one call
AT_ONCE = 100  # overdue calls that one transaction ends
BEYOND = 2**53  # more than any id


class CallNotFound(NotFound):
    """404: there is no such call, or none that I may see."""

    code = "call_not_found"
    detail = "There is no such call."


class NotADirectChat(Malformed):
    """400: calls are between two."""

    code = "not_a_direct_chat"
    detail = "Calls are possible in direct chats only."


class Busy(Conflict):
    """409: one of the two is in another call."""

    code = "busy"
    detail = "One of you is in another call."


class CallOver(Conflict):
    """409: the call has ended, or was answered already."""

    code = "call_over"
    detail = "The call does not take this any more."


class NotMyTurn(Conflict):
    """409: only the one who is called can answer."""

    code = "not_called"
    detail = "Only the person who is called can answer."


class TooManySignals(Throttled):
    """429: a call does not need that many."""

    code = "too_many_signals"
    detail = "This call has had too many signals."


async def ring(tx: Transaction, me: int, new: NewCall) -> Call:
    """Ring the other. Raises ChatNotFound, RequestWaiting, NotADirectChat or Busy."""
    room = await access.take(tx, me, new.chat_id)
    access.require_settled(room)
    other_id = room.other(me)
    if other_id is None:
        raise NotADirectChat
    for call in await queries.list_overdue_of(tx, me, other_id, tx.now - RING, tx.now - LONGEST):
        await expire(tx, call)
    call = await queries.add(tx, new.chat_id, me, other_id, new.media)
    if not await queries.seat(tx, call):
        raise Busy
    await announce(tx, me, call, "ringing")
    await send(tx, me, call, NewSignal("offer", new.sdp))
    return show(call)


async def answer(tx: Transaction, me: int, call_id: int, sdp: str) -> Call:
    """Take the call, on this device alone. Raises CallNotFound, NotMyTurn or CallOver."""
    call = await take(tx, me, call_id)
    if me != call.callee_id:
        raise NotMyTurn
    if not await queries.answer(tx, call_id):
        raise CallOver
    await announce(tx, me, call, "answered")
    await send(tx, me, call, NewSignal("answer", sdp))
    return await read(tx, me, call_id)


async def signal(tx: Transaction, me: int, call_id: int, new: NewSignal) -> Noted:
    """Tell the other device something. Raises CallNotFound, CallOver or TooManySignals."""
    call = await take(tx, me, call_id)
    if call.ended_at is not None:
        raise CallOver
    return Noted(await send(tx, me, call, new))


async def hang_up(tx: Transaction, me: int, call_id: int) -> Call:
    """Cancel, decline or end the call; a repeat changes nothing. That is possible after a block, too. Raises CallNotFound."""
    call = await queries.take(tx, me, call_id) if call_id < BEYOND else None
    if call is None:
        raise CallNotFound
    if call.ended_at is None:
        await end(tx, me, call, name_ending(me, call))
    ended = await queries.find(tx, me, call_id)
    assert ended is not None
    return show(ended)


def name_ending(me: int, call: CallRow) -> events.Ending:
    """What it is that I do when I hang up."""
    if call.answered_at is not None:
        return "hung_up"
    return "cancelled" if me == call.caller_id else "declined"


async def read(tx: Transaction, me: int, call_id: int) -> Call:
    """A call of mine, with what the other has told me. Raises CallNotFound."""
    call = await queries.find(tx, me, call_id) if call_id < BEYOND else None
    if call is None or not await safety.is_visible(tx, me, call.other(me)):
        raise CallNotFound
    return show(call, await queries.list_signals(tx, me, call_id))


async def take(tx: Transaction, me: int, call_id: int) -> CallRow:
    """A call of mine with somebody whom I may see, held until the transaction ends. Raises CallNotFound."""
    call = await queries.take(tx, me, call_id) if call_id < BEYOND else None
    if call is None or not await access.is_open(tx, me, call.chat_id):
        raise CallNotFound
    return call


async def announce(tx: Transaction, me: int, call: CallRow, state: events.CallState, reason: events.Ending | None = None) -> None:
    """Tell both how far the call has come; after a block me alone, that it has ended, else it raises CallNotFound."""
    await hold(tx, call.people)
    visible = await safety.is_visible(tx, me, call.other(me))
    if not visible and state != "ended":
        raise CallNotFound
    await tell(tx, call.people if visible else [me], events.Call(call.id, call.chat_id, me, state, call.media, reason))


async def send(tx: Transaction, me: int, call: CallRow, new: NewSignal) -> int:
    """Pass a signal on to the other's sockets, and keep it. Raises TooManySignals."""
    n = await queries.add_signal(tx, call.id, me, new, MOST_SIGNALS)
    if n is None:
        raise TooManySignals
    pass_on(tx, [call.other(me)], events.Signal(call.id, me, n, new.kind, new.payload))
    return n


async def end(tx: Transaction, me: int, call: CallRow, reason: events.Ending) -> None:
    """End the call for both; of one that nobody took the chat keeps a note. Harmless when it is over."""
    ended = await queries.end(tx, call.id, reason)
    if ended is None:
        return
    if reason in ("cancelled", "missed") and await access.is_open(tx, call.caller_id, call.chat_id):
        await notes.leave(tx, call.chat_id, f"Missed {call.media} call")
    await announce(tx, me, ended, "ended", reason)


async def expire(tx: Transaction, call: CallRow) -> None:
    """End a call whose time is over: missed when it rang, lost when it lasted."""
    await end(tx, call.caller_id, call, "missed" if call.answered_at is None else "lost")


async def end_overdue(tx: Transaction) -> int:
    """End calls whose time is over; how many there were."""
    calls = await queries.list_overdue(tx, tx.now - RING, tx.now - LONGEST, AT_ONCE)
    for call in calls:
        await expire(tx, call)
    return len(calls)


def show(call: CallRow, signals: Sequence[object] = ()) -> Call:
    """A call as it goes out."""
    moments = [None if at is None else rfc3339(at) for at in (call.answered_at, call.ended_at)]
    return msgspec.convert(
        {
            **msgspec.structs.asdict(call),
            "state": call.state,
            "created_at": rfc3339(call.created_at),
            "answered_at": moments[0],
            "ended_at": moments[1],
            "signals": list(signals),
        },
        Call,
    )


async def export(tx: Transaction, user_id: int) -> dict[str, Sequence[msgspec.Struct]]:
    """Every call of the person with somebody whom they may see."""
    return {"calls": [show(call) for call in await queries.list_all(tx, user_id)]}


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget the calls of a person who leaves."""
    await queries.erase(tx, user_id)
