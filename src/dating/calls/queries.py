"""All SQL of calls."""

import msgspec

from dating.calls.models import CallRow, NewSignal, Signal
from dating.database import Transaction
from dating.realtime.events import Ending, Media

ROW = "id, chat_id, caller_id, callee_id, media, created_at, answered_at, ended_at, reason"

ADD = f"""
INSERT INTO calls (chat_id, caller_id, callee_id, media, created_at)
VALUES (:chat_id, :caller_id, :callee_id, :media, :now) RETURNING {ROW}
"""
SEAT = """
INSERT INTO call_seats (user_id, call_id)
SELECT CAST(value AS BIGINT), CAST(:call_id AS BIGINT) FROM json_each(CAST(:people AS TEXT)) WHERE TRUE ORDER BY 1
ON CONFLICT (user_id) DO NOTHING
"""
FIND = f"SELECT {ROW} FROM calls WHERE id = :call_id AND :me IN (caller_id, callee_id)"
TAKE = f"""
UPDATE calls SET signal_count = signal_count WHERE id = :call_id AND :me IN (caller_id, callee_id) RETURNING {ROW}
"""
OVERDUE = f"""
SELECT {ROW} FROM calls
WHERE ended_at IS NULL AND created_at < :rung_before AND (answered_at IS NULL OR answered_at < :answered_before)
ORDER BY created_at LIMIT :limit
"""
OVERDUE_OF = f"""
SELECT {ROW} FROM calls
WHERE id IN (SELECT call_id FROM call_seats WHERE user_id IN (:one_id, :other_id))
  AND ended_at IS NULL AND created_at < :rung_before AND (answered_at IS NULL OR answered_at < :answered_before)
ORDER BY id
"""
ANSWER = "UPDATE calls SET answered_at = :now WHERE id = :call_id AND answered_at IS NULL AND ended_at IS NULL"
END = f"UPDATE calls SET ended_at = :now, reason = :reason WHERE id = :call_id AND ended_at IS NULL RETURNING {ROW}"
FREE = "DELETE FROM call_seats WHERE call_id = :call_id"
FORGET_SIGNALS = "DELETE FROM call_signals WHERE call_id = :call_id"
COUNT_SIGNAL = """
UPDATE calls SET signal_count = signal_count + 1
WHERE id = :call_id AND ended_at IS NULL AND signal_count < :most RETURNING signal_count
"""
ADD_SIGNAL = """
INSERT INTO call_signals (call_id, n, user_id, kind, payload) VALUES (:call_id, :n, :user_id, :kind, :payload)
"""
SIGNALS = "SELECT n, user_id, kind, payload FROM call_signals WHERE call_id = :call_id AND user_id <> :me ORDER BY n"
ALL = f"""
SELECT {ROW} FROM calls
WHERE caller_id = :me AND NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :me AND other_id = callee_id)
UNION ALL
SELECT {ROW} FROM calls
WHERE callee_id = :me AND NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :me AND other_id = caller_id)
ORDER BY id
"""
ERASE_SIGNALS = """
DELETE FROM call_signals WHERE call_id IN (
    SELECT id FROM calls WHERE caller_id = :me UNION ALL SELECT id FROM calls WHERE callee_id = :me)
"""
ERASE_SEATS = """
DELETE FROM call_seats WHERE call_id IN (
    SELECT id FROM calls WHERE caller_id = :me UNION ALL SELECT id FROM calls WHERE callee_id = :me)
"""
ERASE = "DELETE FROM calls WHERE caller_id = :me OR callee_id = :me"


async def add(tx: Transaction, chat_id: int, caller_id: int, callee_id: int, media: Media) -> CallRow:
    """A new call."""
    row = await tx.one(CallRow, ADD, chat_id=chat_id, caller_id=caller_id, callee_id=callee_id, media=media, now=tx.now)
    assert row is not None
    return row


async def seat(tx: Transaction, call: CallRow) -> bool:
    """Put both into the call; whether neither is in another."""
    return await tx.run(SEAT, call_id=call.id, people=msgspec.json.encode(sorted(call.people)).decode()) == 2


async def find(tx: Transaction, me: int, call_id: int) -> CallRow | None:
    """A call of mine."""
    return await tx.one(CallRow, FIND, me=me, call_id=call_id)


async def take(tx: Transaction, me: int, call_id: int) -> CallRow | None:
    """The same, held until the transaction ends."""
    return await tx.one(CallRow, TAKE, me=me, call_id=call_id)


async def list_overdue(tx: Transaction, rung_before: int, answered_before: int, limit: int) -> list[CallRow]:
    """Calls that ring or last longer than they may."""
    return await tx.all(CallRow, OVERDUE, rung_before=rung_before, answered_before=answered_before, limit=limit)


async def list_overdue_of(tx: Transaction, one_id: int, other_id: int, rung_before: int, answered_before: int) -> list[CallRow]:
    """Those among the calls that these two are in."""
    return await tx.all(
        CallRow, OVERDUE_OF, one_id=one_id, other_id=other_id, rung_before=rung_before, answered_before=answered_before
    )


async def answer(tx: Transaction, call_id: int) -> bool:
    """Take note of the answer; whether it was ringing."""
    return await tx.run(ANSWER, call_id=call_id, now=tx.now) == 1


async def end(tx: Transaction, call_id: int, reason: Ending) -> CallRow | None:
    """End a call, free both and forget what the devices told each other; None when it was over."""
    row = await tx.one(CallRow, END, call_id=call_id, reason=reason, now=tx.now)
    await tx.run(FREE, call_id=call_id)
    await tx.run(FORGET_SIGNALS, call_id=call_id)
    return row


async def add_signal(tx: Transaction, call_id: int, user_id: int, signal: NewSignal, most: int) -> int | None:
    """Keep a signal while the call lasts; its number, or None when there are too many."""
    n = await tx.one(int, COUNT_SIGNAL, call_id=call_id, most=most)
    if n is not None:
        await tx.run(ADD_SIGNAL, call_id=call_id, n=n, user_id=user_id, kind=signal.kind, payload=signal.payload)
    return n


async def list_signals(tx: Transaction, me: int, call_id: int) -> list[Signal]:
    """What the other has told me."""
    return await tx.all(Signal, SIGNALS, me=me, call_id=call_id)


async def list_all(tx: Transaction, me: int) -> list[CallRow]:
    """Every call of mine."""
    return await tx.all(CallRow, ALL, me=me)


async def erase(tx: Transaction, me: int) -> None:
    """Forget the calls of a person who leaves."""
    for statement in (ERASE_SIGNALS, ERASE_SEATS, ERASE):
        await tx.run(statement, me=me)
