"""What all members of chats are told: each event enters the inbox of each of them, in two statements for all of it.

The chats must be taken: nobody may join or leave them meanwhile.
"""

from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from dating.database import Transaction
from dating.realtime.events import Event
from dating.realtime.inbox import NUMBER_ONLY, REPLACE, Told

Entry = tuple[int, int, str]
"""Whose inbox, the number there, and what is told, as JSON."""

# What is said `d`, for every member of its chat, under their next numbers: the people of all the chats in the order of their ids.
# Rows come as arrays, which PostgreSQL reads twice as fast as objects.
SAYINGS = """
given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:sayings AS TEXT))),
d AS MATERIALIZED (
    SELECT CAST(v ->> 0 AS BIGINT) AS n, CAST(v ->> 1 AS BIGINT) AS chat_id, CAST(v ->> 2 AS BIGINT) AS actor_id,
           v ->> 3 AS event
    FROM given)
"""
ADVANCE_MEMBERS = """
INSERT INTO inbox_heads (user_id, seq)
WITH given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:counts AS TEXT))),
d AS MATERIALIZED (SELECT CAST(v ->> 0 AS BIGINT) AS chat_id, CAST(v ->> 1 AS BIGINT) AS sayings FROM given)
SELECT m.user_id, SUM(d.sayings) FROM d JOIN members AS m ON m.chat_id = d.chat_id AND m.left_at IS NULL
WHERE TRUE GROUP BY m.user_id ORDER BY m.user_id
ON CONFLICT (user_id) DO UPDATE SET seq = inbox_heads.seq + excluded.seq
"""
APPEND_MEMBERS = f"""
INSERT INTO inbox (user_id, seq, actor_id, event, created_at)
WITH {SAYINGS}
SELECT m.user_id,
       h.seq - COUNT(*) OVER (PARTITION BY m.user_id) + ROW_NUMBER() OVER (PARTITION BY m.user_id ORDER BY d.n),
       d.actor_id, d.event, CAST(:now AS BIGINT)
FROM d JOIN members AS m ON m.chat_id = d.chat_id AND m.left_at IS NULL JOIN inbox_heads AS h ON h.user_id = m.user_id
WHERE TRUE ORDER BY m.user_id, d.n
RETURNING user_id, seq, CASE
    WHEN EXISTS (SELECT 1 FROM hidden WHERE viewer_id = inbox.user_id AND other_id = inbox.actor_id) THEN '{{"type":"hidden"}}'
    ELSE event
END AS event
"""
# The same for the one event of one chat, which is what a group mostly hears.
ADVANCE_CHAT = """
INSERT INTO inbox_heads (user_id, seq)
SELECT m.user_id, 1 FROM members AS m WHERE m.chat_id = :chat_id AND m.left_at IS NULL ORDER BY m.user_id
ON CONFLICT (user_id) DO UPDATE SET seq = inbox_heads.seq + 1
"""
APPEND_CHAT = """
INSERT INTO inbox (user_id, seq, actor_id, event, created_at)
SELECT m.user_id, h.seq, CAST(:actor_id AS BIGINT), CAST(:event AS TEXT), CAST(:now AS BIGINT)
FROM members AS m JOIN inbox_heads AS h ON h.user_id = m.user_id
WHERE m.chat_id = :chat_id AND m.left_at IS NULL ORDER BY m.user_id
RETURNING user_id, seq, user_id IN (SELECT viewer_id FROM hidden WHERE other_id = CAST(:actor_id AS BIGINT))
"""
# The same where whoever tells knows the two people of each chat: nothing has to be looked up.
ADVANCE_PAIRS = """
INSERT INTO inbox_heads (user_id, seq)
WITH given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:counts AS TEXT)))
SELECT CAST(v ->> 0 AS BIGINT), CAST(v ->> 1 AS BIGINT) FROM given WHERE TRUE ORDER BY 1
ON CONFLICT (user_id) DO UPDATE SET seq = inbox_heads.seq + excluded.seq
RETURNING user_id, seq
"""
APPEND_PAIRS = """
INSERT INTO inbox (user_id, seq, actor_id, event, created_at)
WITH given AS MATERIALIZED (SELECT CAST(value AS json_text) AS v FROM json_each(CAST(:sayings AS TEXT))),
d AS MATERIALIZED (
    SELECT CAST(v ->> 0 AS BIGINT) AS actor_id, CAST(v ->> 1 AS BIGINT) AS seq, CAST(v ->> 2 AS BIGINT) AS other_id,
           CAST(v ->> 3 AS BIGINT) AS other_seq, v ->> 4 AS event
    FROM given)
SELECT d.actor_id, d.seq, d.actor_id, d.event, CAST(:now AS BIGINT) FROM d
UNION ALL SELECT d.other_id, d.other_seq, d.actor_id, d.event, CAST(:now AS BIGINT) FROM d
"""


class PairSaying(msgspec.Struct, array_like=True):
    """An event of one person for two, under its number in the inbox of each; `event` is its JSON."""

    actor_id: int
    seq: int
    other_id: int
    other_seq: int
    event: str


class Saying(msgspec.Struct, array_like=True):
    """An event for everybody in a chat; `event` is its JSON, `n` its place among those that are told together."""

    n: int
    chat_id: int
    actor_id: int | None
    event: str


async def tell_members(
    tx: Transaction, said: Sequence[tuple[int, Event]], muffled: Collection[tuple[int, int]] = frozenset()
) -> bool:
    """Put each event into the inbox of every member of its chat (`chat_id, event`); whether it is hidden from any of them.

    `muffled`: the places in `said`, each with somebody who is to get nothing but a number.
    """
    sayings = [
        Saying(n, chat_id, getattr(event, "user_id", None), msgspec.json.encode(event).decode())
        for n, (chat_id, event) in enumerate(said)
    ]
    entries = await (append_one(tx, sayings[0]) if len(sayings) == 1 else append_all(tx, sayings))
    is_hidden = any(event == NUMBER_ONLY for _, _, event in entries)
    await announce(tx, entries, [one.event for one in sayings], muffled)
    return is_hidden


async def tell_pairs(
    tx: Transaction, said: Sequence[tuple[int, int, Event]], muffled: Collection[tuple[int, int]] = frozenset()
) -> None:
    """The same of events by one of two people (`actor_id, other_id, event`): into the inboxes of both.

    It does not ask whether the two see each other.
    """
    counts = Counter(user_id for actor_id, other_id, _ in said for user_id in (actor_id, other_id))
    tops = await tx.all(tuple, ADVANCE_PAIRS, counts=msgspec.json.encode(sorted(counts.items())).decode())
    last = {user_id: top - counts[user_id] for user_id, top in tops}
    sayings: list[PairSaying] = []
    for actor_id, other_id, event in said:
        last[actor_id] += 1
        last[other_id] += 1
        text = msgspec.json.encode(event).decode()
        sayings.append(PairSaying(actor_id, last[actor_id], other_id, last[other_id], text))
    await tx.run(APPEND_PAIRS, sayings=msgspec.json.encode(sayings).decode(), now=tx.now)
    entries = [
        entry for one in sayings for entry in ((one.actor_id, one.seq, one.event), (one.other_id, one.other_seq, one.event))
    ]
    await announce(tx, entries, [one.event for one in sayings], muffled)


async def announce(tx: Transaction, entries: Sequence[Entry], texts: Sequence[str], muffled: Collection[tuple[int, int]]) -> None:
    """Let the sockets hear what was written down, after the commit; `muffled`: by the places of these texts."""
    if muffled:
        entries = await muffle(tx, entries, {(user_id, texts[n]) for n, user_id in muffled})
    events = {text: text.encode() for text in (NUMBER_ONLY, *texts)}
    tx.notices += [Told(user_id, seq, events[event]) for user_id, seq, event in entries]


async def append_one(tx: Transaction, saying: Saying) -> list[Entry]:
    """Write one event down; each inbox with the number there, and with what is told."""
    chat_id, actor_id, event = saying.chat_id, saying.actor_id, saying.event
    await tx.run(ADVANCE_CHAT, chat_id=chat_id)
    rows = await tx.all(tuple, APPEND_CHAT, chat_id=chat_id, actor_id=actor_id, event=event, now=tx.now)
    return [(user_id, seq, NUMBER_ONLY if is_hidden else event) for user_id, seq, is_hidden in rows]


async def append_all(tx: Transaction, sayings: Sequence[Saying]) -> list[Entry]:
    """The same of many."""
    counts = list(Counter(one.chat_id for one in sayings).items())
    await tx.run(ADVANCE_MEMBERS, counts=msgspec.json.encode(counts).decode())
    return await tx.all(tuple, APPEND_MEMBERS, sayings=msgspec.json.encode(sayings).decode(), now=tx.now)


async def muffle(tx: Transaction, entries: Sequence[Entry], muffled: Collection[tuple[int, str]]) -> list[Entry]:
    """Leave nothing but the number of those entries that these people (`user_id, event`) are not to get."""
    kept = [(user_id, seq, NUMBER_ONLY if (user_id, event) in muffled else event) for user_id, seq, event in entries]
    silent = [{"user_id": user_id, "seq": seq, "event": event} for user_id, seq, event in kept if event == NUMBER_ONLY]
    await tx.many(REPLACE, silent)
    return kept
