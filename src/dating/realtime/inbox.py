"""Each person's inbox: a dense, numbered log in the database of what the server has told that person.

Whoever changes state tells, in the same transaction: the event is then as durable as the change, and its number is taken under
the person's head row, so numbers have no gaps and follow the order of commits. A socket is only a live tail of this log.

Heads are taken in ascending order of the people's ids within one call; several calls in one transaction may meet another
transaction crosswise, which PostgreSQL reports as a deadlock and `Database.write` repeats.
"""

import secrets
from collections.abc import Iterable, Mapping

import msgspec

from dating.database import Database, Transaction
from dating.realtime.events import Event, Hidden, Message, MessageEdited

ADVANCE = """
INSERT INTO inbox_heads (user_id, seq)
SELECT CAST(value AS BIGINT), 1 FROM json_each(CAST(:people AS TEXT)) WHERE TRUE ORDER BY 1
ON CONFLICT (user_id) DO UPDATE SET seq = inbox_heads.seq + 1
RETURNING user_id, seq
"""
HOLD = """
INSERT INTO inbox_heads (user_id, seq)
SELECT CAST(value AS BIGINT), 0 FROM json_each(CAST(:people AS TEXT)) WHERE TRUE ORDER BY 1
ON CONFLICT (user_id) DO UPDATE SET seq = inbox_heads.seq
"""
APPEND = """
INSERT INTO inbox (user_id, seq, actor_id, event, created_at)
VALUES (:user_id, :seq, CAST(:actor_id AS BIGINT), :event, :now)
"""
SINCE = """
SELECT i.seq, CASE
    WHEN EXISTS (SELECT 1 FROM hidden WHERE viewer_id = i.user_id AND other_id = i.actor_id) THEN '{"type":"hidden"}'
    ELSE i.event
END AS event
FROM inbox AS i WHERE i.user_id = :user_id AND i.seq > :after ORDER BY i.seq LIMIT :limit
"""
POSITION = """
SELECT COALESCE((SELECT seq FROM inbox_heads WHERE user_id = :user_id), 0) AS top, CAST(:after AS BIGINT) AS after,
       (SELECT MIN(seq) FROM inbox WHERE user_id = :user_id AND seq > :after) AS next
"""
TOPS = """
SELECT user_id, seq FROM inbox_heads
WHERE user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:people AS TEXT)))
"""
TRIM = "DELETE FROM inbox WHERE created_at < :before AND user_id BETWEEN :first AND :last"
SAID_BY = """
SELECT user_id, seq, event FROM inbox
WHERE user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:people AS TEXT)))
  AND actor_id = :author_id AND (event LIKE '{"type":"message",%' OR event LIKE '{"type":"message_edited",%')
"""
REPLACE = "UPDATE inbox SET event = :event WHERE user_id = :user_id AND seq = :seq"
RETELL = """
UPDATE inbox SET event = :event
WHERE created_at IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:moments AS TEXT)))
  AND event LIKE CAST(:beginning AS TEXT) || '%'
"""
UNACKNOWLEDGED = """
SELECT i.seq, i.event FROM inbox_heads AS h JOIN inbox AS i ON i.user_id = h.user_id AND i.seq > h.acked
WHERE h.user_id = :user_id AND i.seq <= :seq AND i.event LIKE '{"type":"message",%'
  AND NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = i.user_id AND other_id = i.actor_id)
ORDER BY i.seq LIMIT :limit
"""
ACKNOWLEDGE = "UPDATE inbox_heads SET acked = :seq WHERE user_id = :user_id AND acked < :seq AND seq >= :seq"
ERASE = "DELETE FROM inbox WHERE user_id = :user_id"
ERASE_HEAD = "DELETE FROM inbox_heads WHERE user_id = :user_id"
LAST_PERSON = "SELECT COALESCE(MAX(user_id), 0) FROM inbox_heads"
KEEP_EPOCH = "INSERT INTO facts (name, value) VALUES ('epoch', :epoch) ON CONFLICT (name) DO NOTHING"
EPOCH = "SELECT value FROM facts WHERE name = 'epoch'"
LAST_USER = "SELECT COALESCE(MAX(id), 0) FROM users"
LEAP = """
INSERT INTO inbox_heads (user_id, seq)
SELECT id, CAST(:far AS BIGINT) FROM users WHERE id BETWEEN :first AND :last
ON CONFLICT (user_id) DO UPDATE SET seq = inbox_heads.seq + :far
"""

NUMBER_ONLY = msgspec.json.encode(Hidden()).decode()
TRIM_PEOPLE = 500  # whose inboxes one transaction trims: keeps the writer free for others in between
LEAP_PEOPLE = 10_000  # whose numbers one transaction moves on, when nobody is served yet
FAR = 1_000_000  # more events than anybody is told between two backups


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """What a commit, or the bus itself, has to say to the hubs; compact on the way between processes."""


class Told(Notice, frozen=True, tag=1):
    """A notice: this event has entered this person's inbox under this number."""

    user_id: int
    seq: int
    event: bytes


class Passing(Notice, frozen=True, tag=2):
    """A notice: an ephemeral event for these people, if they are here."""

    people: list[int]
    event: bytes


class Revoked(Notice, frozen=True, tag=3):
    """A notice: this session (None: every session but `spare`) of the person is over; its sockets close with `code`."""

    user_id: int
    session_id: int | None
    code: int
    spare: int | None = None


class Missed(Notice, frozen=True, tag=4):
    """A notice of the bus: hints may have been lost, so look where everybody's inbox stands and whose session is over."""


class Changed(Notice, frozen=True, tag=6):
    """A notice: what the search knows of these people may not be true any more."""

    people: list[int]


class Head(msgspec.Struct, frozen=True):
    """The top of one person's inbox."""

    user_id: int
    seq: int


class Entry(msgspec.Struct, frozen=True):
    """One row of an inbox; `event` is the JSON object without its `seq`."""

    seq: int
    event: str


class Said(msgspec.Struct, frozen=True):
    """An event in somebody's inbox."""

    user_id: int
    seq: int
    event: str


class Position(msgspec.Struct, frozen=True):
    """Where an inbox stands: its top number (0: nothing yet), and the next one kept after a number (None: none kept)."""

    top: int
    after: int
    next: int | None

    def whole(self) -> bool:
        """Whether everything after that number is still here. Numbers are dense, so the next one has to be the very next."""
        return self.after == self.top or (self.after < self.top and self.next == self.after + 1)


async def tell(tx: Transaction, people: Iterable[int], event: Event) -> None:
    """Put the event into each person's inbox; their sockets hear it after the commit."""
    await tell_each(tx, dict.fromkeys(people, event))


async def tell_each(tx: Transaction, events: Mapping[int, Event]) -> None:
    """The same with an event of their own for each person."""
    if not events:
        return
    encoded = {id(event): msgspec.json.encode(event) for event in events.values()}
    heads = await tx.all(Head, ADVANCE, people=msgspec.json.encode(sorted(events)).decode())
    told = [Told(head.user_id, head.seq, encoded[id(events[head.user_id])]) for head in heads]
    await tx.many(APPEND, [describe_row(one, events[one.user_id], tx.now) for one in told])
    tx.notices += told


def describe_row(told: Told, event: Event, now: int) -> dict[str, object]:
    """The inbox row of a notice."""
    actor_id = getattr(event, "user_id", None)
    return {"user_id": told.user_id, "seq": told.seq, "actor_id": actor_id, "event": told.event.decode(), "now": now}


def pass_on(tx: Transaction, people: list[int], event: Event) -> None:
    """After the commit, send an ephemeral event to those of the people who are connected, here or elsewhere."""
    tx.notices.append(Passing(people, msgspec.json.encode(event)))


async def hold(tx: Transaction, people: Iterable[int]) -> None:
    """Let nobody tell these people anything until this transaction ends: what it changes comes before what they are told next."""
    await tx.run(HOLD, people=msgspec.json.encode(sorted(people)).decode())


def revoke(tx: Transaction, user_id: int, session_id: int | None, code: int, *, spare: int | None = None) -> None:
    """After the commit, forget the session's tokens and close its sockets; None means every session but `spare`."""
    tx.notices.append(Revoked(user_id, session_id, code, spare))


def disclose(tx: Transaction, people: list[int]) -> None:
    """After the commit, have every process look at what the search knows of these people."""
    if people:
        tx.notices.append(Changed(people))


async def since(tx: Transaction, user_id: int, after: int, limit: int) -> list[Entry]:
    """The next events after a number, oldest first."""
    return await tx.all(Entry, SINCE, user_id=user_id, after=after, limit=limit)


async def position(tx: Transaction, user_id: int, after: int = 0) -> Position:
    """Where the person's inbox stands, seen from a number."""
    found = await tx.one(Position, POSITION, user_id=user_id, after=after)
    assert found is not None
    return found


async def tops(tx: Transaction, people: Iterable[int]) -> dict[int, int]:
    """The tops of these people's inboxes; nobody without events is in it."""
    heads = await tx.all(Head, TOPS, people=msgspec.json.encode(list(people)).decode())
    return {head.user_id: head.seq for head in heads}


async def last_person(tx: Transaction) -> int:
    """The highest id that has an inbox."""
    return await tx.one(int, LAST_PERSON) or 0


async def trim(tx: Transaction, before: int, first: int) -> int:
    """Drop what is older than `before` (microseconds) from the next inboxes, starting at person `first`; how many rows went."""
    return await tx.run(TRIM, before=before, first=first, last=first + TRIM_PEOPLE - 1)


async def erase(tx: Transaction, user_id: int) -> None:
    """Drop the whole inbox of a person who is being deleted."""
    await tx.run(ERASE, user_id=user_id)
    await tx.run(ERASE_HEAD, user_id=user_id)


async def silence(tx: Transaction, author_id: int, people: Iterable[int]) -> None:
    """Take the words of a person who is being deleted out of these people's inboxes; the numbers and their order stay."""
    said = await tx.all(Said, SAID_BY, people=msgspec.json.encode(list(people)).decode(), author_id=author_id)
    rows = []
    for entry in said:
        event = empty(msgspec.json.decode(entry.event, type=Message | MessageEdited))
        rows.append({"event": msgspec.json.encode(event).decode(), "user_id": entry.user_id, "seq": entry.seq})
    await tx.many(REPLACE, rows)


def empty(event: Message | MessageEdited) -> Message | MessageEdited:
    """The event without what was said."""
    if isinstance(event, Message):
        return msgspec.structs.replace(event, content="", links=[], poll=None)
    return msgspec.structs.replace(event, content="", links=[])


async def retell(tx: Transaction, moments: Iterable[int], beginning: str, event: Event) -> None:
    """In everybody's inbox, put this event in place of those of these moments (microseconds) whose JSON begins like that."""
    await tx.run(
        RETELL,
        moments=msgspec.json.encode(list(moments)).decode(),
        beginning=beginning,
        event=msgspec.json.encode(event).decode(),
    )


async def list_unacknowledged(tx: Transaction, user_id: int, seq: int, limit: int) -> list[Entry]:
    """The first messages up to `seq` that the person's devices have not acknowledged yet."""
    return await tx.all(Entry, UNACKNOWLEDGED, user_id=user_id, seq=seq, limit=limit)


async def acknowledge(tx: Transaction, user_id: int, seq: int) -> None:
    """The person's devices have everything up to `seq`. It never goes back, nor beyond the top."""
    await tx.run(ACKNOWLEDGE, user_id=user_id, seq=seq)


async def keep_epoch(db: Database) -> str:
    """The name of this database's numbering.

    A new database has none, nor has one restored from a backup. There everybody's numbers first leap beyond all that were given
    out after the backup: a client that comes with one of those, even without saying of which epoch, is told to reload.
    """
    known = await db.read(find_epoch)
    if known is not None:
        return known
    last = await db.read(last_user)
    for first in range(1, last + 1, LEAP_PEOPLE):
        await db.write(leap, first)
    return await db.write(make_epoch)


async def find_epoch(tx: Transaction) -> str | None:
    """The epoch, if there is one yet."""
    return await tx.one(str, EPOCH)


async def last_user(tx: Transaction) -> int:
    """The highest id of anybody."""
    return await tx.one(int, LAST_USER) or 0


async def leap(tx: Transaction, first: int) -> None:
    """Leave numbers out, for the next people from `first` on."""
    await tx.run(LEAP, far=FAR, first=first, last=first + LEAP_PEOPLE - 1)


async def make_epoch(tx: Transaction) -> str:
    """Name the numbering, unless another process has."""
    await tx.run(KEEP_EPOCH, epoch=secrets.token_hex(8))
    epoch = await find_epoch(tx)
    assert epoch is not None
    return epoch


def number(event: bytes, seq: int) -> bytes:
    """The event as it goes over the wire, with its number."""
    return b'%b,"seq":%d}' % (event[:-1], seq)
