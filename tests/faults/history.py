"""What clients attempted, what was answered and what their devices saw; and at the end what of it does not fit together."""

from collections import Counter, defaultdict
from typing import Any

import msgspec

from dating.database import Database, Transaction


class Send(msgspec.Struct, eq=False):
    """One message that somebody tries to send until it is answered, in seconds of the referee's clock."""

    sender_id: int
    chat_id: int
    client_id: str
    content: str
    invoked: float
    answered: float | None = None
    ids: set[int] = msgspec.field(default_factory=set)  # more than one: the server has forgotten that it had answered


class Deed(msgspec.Struct, eq=False):
    """Something else that is done until it is answered: `edit`, `delete`, `react`; that a guest may `come` or must `go`.

    `done` is None without an answer, and false when the message had been deleted.
    """

    kind: str
    user_id: int
    chat_id: int
    message_id: int = 0
    text: str = ""
    done: bool | None = None


class Seen(msgspec.Struct, frozen=True):
    """What one device of a person has applied, once each, in the order of its numbers."""

    user_id: int
    frames: list[dict[str, Any]]
    moments: dict[int, float]  # message id -> when it was applied
    gaps: int


class Row(msgspec.Struct, frozen=True):
    """A message of a person in the database."""

    id: int
    chat_id: int
    sender_id: int
    client_id: str
    content: str
    deleted: bool = False


class Reacted(msgspec.Struct, frozen=True):
    """An emoji of a person under a message in the database."""

    message_id: int
    user_id: int
    emoji: str


class Entry(msgspec.Struct, frozen=True):
    """An entry of an inbox."""

    user_id: int
    seq: int
    event: str


class Matched(msgspec.Struct, frozen=True):
    """Two people, what each did, and how many chats they have."""

    low_id: int
    high_id: int
    mutual: bool
    matched: bool
    chats: int


class Top(msgspec.Struct, frozen=True):
    """The last number of an inbox."""

    user_id: int
    seq: int


class Open(msgspec.Struct, frozen=True):
    """What the server holds open: the most descriptors of any process, and transactions that nobody has ended."""

    descriptors: int
    transactions: int


class Store(msgspec.Struct, frozen=True):
    """The truth at the end."""

    messages: list[Row]
    entries: list[Entry]
    pairs: list[Matched]
    reactions: list[Reacted] = []
    remains: list[int] = []  # messages that are deleted and of which something is left


STALE_SECONDS = 25.0  # later than every fault is healed: what came after it was not on its way but forgotten
SPARE_DESCRIPTORS = 16  # pools that have grown, and the log

MESSAGES = """
    SELECT id, chat_id, sender_id, client_id, content, deleted_at IS NOT NULL AS deleted
    FROM messages WHERE kind = 'text' ORDER BY id
"""
REACTIONS = "SELECT message_id, user_id, emoji FROM reactions"
REMAINS = """
    SELECT id FROM messages WHERE deleted_at IS NOT NULL AND (
        content <> '' OR links <> '[]' OR id IN (SELECT message_id FROM edits) OR id IN (SELECT message_id FROM reactions))
"""
ENTRIES = "SELECT user_id, seq, event FROM inbox ORDER BY user_id, seq"
TOPS = "SELECT user_id, MAX(seq) AS seq FROM inbox GROUP BY user_id"
PAIRS = """
    SELECT p.low_id, p.high_id, matched_at IS NOT NULL AS matched,
           COALESCE(low_action = 'like' AND high_action = 'like', FALSE) AS mutual,
           (SELECT COUNT(*) FROM chats c WHERE c.low_id = p.low_id AND c.high_id = p.high_id) AS chats
    FROM pairs p
"""


async def read_tops(tx: Transaction) -> list[Top]:
    """Where each inbox ends now."""
    return await tx.all(Top, TOPS)


async def read_store(db: Database) -> Store:
    """Everything that the checks need of the database."""

    async def read(tx: Transaction) -> Store:
        messages, entries, pairs = await tx.all(Row, MESSAGES), await tx.all(Entry, ENTRIES), await tx.all(Matched, PAIRS)
        return Store(messages, entries, pairs, await tx.all(Reacted, REACTIONS), await tx.all(int, REMAINS))

    return await db.read(read)


class History:
    """Filled by the clients. Every check answers with what is wrong, one line for each thing; nothing is right."""

    def __init__(self) -> None:
        self.sends: list[Send] = []
        self.likes: set[tuple[int, int]] = set()  # attempted; all of them are answered in the end
        self.deeds: list[Deed] = []
        self.chats: dict[int, set[int]] = {}  # the chats made before the load, with their people
        self.guests: dict[int, int] = {}  # somebody who comes to a group and goes, besides those
        self.answers: Counter[str] = Counter()
        self.odd: list[str] = []
        self.seen: list[Seen] = []
        self.admitted: Counter[str] = Counter()  # one-time token -> sockets that it opened

    def know(self, one_id: int, other_id: int) -> bool:
        """Whether the two had a chat before the load."""
        return {one_id, other_id} in self.chats.values()

    def judge(self, store: Store) -> dict[str, list[str]]:
        """All checks."""
        return {
            "lost": self.find_lost(store),
            "unexpected": self.find_unexpected(store),
            "doubled": self.find_doubled(store),
            "disagreement": self.find_disagreement(store),
            "order": self.find_disorder(store),
            "staleness": self.find_stale(),
            "foreign": self.find_foreign(),
            "match": self.find_wrong_matches(store),
            "tokens": self.find_shared_tokens(),
            "refused": self.odd,
        }

    def find_lost(self, store: Store) -> list[str]:
        """Answered, and not in the database or not on every device of everybody in the chat."""
        answered: dict[int, set[int]] = defaultdict(set)
        for send in self.sends:
            answered[send.chat_id] |= send.ids
        stored = {row.id for row in store.messages}
        lost = [f"message {id} is not in the database" for ids in answered.values() for id in ids - stored]
        for seen in self.seen:
            for chat_id, ids in answered.items():
                if seen.user_id in self.chats[chat_id]:
                    lost += [f"message {id} never reached person {seen.user_id}" for id in ids - seen.moments.keys()]
        return lost

    def find_unexpected(self, store: Store) -> list[str]:
        """There, and never attempted, or not as it was attempted. Of what was deleted nobody knows what it said."""
        deleted = {deed.message_id for deed in self.deeds if deed.kind == "delete"}
        edited = {deed.message_id for deed in self.deeds if deed.kind == "edit"}
        attempted = {(send.sender_id, send.client_id, send.chat_id): send.content for send in self.sends}
        found = [
            (row.id, row.sender_id, row.client_id, row.chat_id, row.content) for row in store.messages if row.id not in edited
        ]
        for seen in self.seen:
            for f in (frame for frame in seen.frames if frame["type"] == "message"):
                found.append((f["id"], f["user_id"], f.get("client_id"), f["chat_id"], f["content"]))
        return [
            f"nobody sent {message}"
            for message in found
            if (content := attempted.get(message[1:4])) is None
            or message[4] not in (content, "" if message[0] in deleted else content)
        ]

    def find_doubled(self, store: Store) -> list[str]:
        """One send under two ids, or one event applied twice."""
        doubled = [f"{send.client_id} was answered as {sorted(send.ids)}" for send in self.sends if len(send.ids) > 1]
        rows = Counter((row.sender_id, row.client_id) for row in store.messages)
        doubled += [f"{name} has {count} rows" for (_, name), count in rows.items() if count > 1]
        for seen in self.seen:
            events = Counter((f["type"], f.get("id"), f.get("user_id")) for f in seen.frames if f["type"] in ("message", "match"))
            doubled += [f"person {seen.user_id} was told {event} {n} times" for event, n in events.items() if n > 1]
        return doubled

    def find_disagreement(self, store: Store) -> list[str]:
        """A device that did not apply exactly what the database has for its person, but for what deleted messages said."""
        deleted = {row.id for row in store.messages if row.deleted}
        truth: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for entry in store.entries:
            truth[entry.user_id].append(silence(msgspec.json.decode(entry.event) | {"seq": entry.seq}, deleted))
        return [
            f"a device of person {seen.user_id} has {len(seen.frames)} events, the database {len(truth[seen.user_id])}"
            for seen in self.seen
            if [silence(frame, deleted) for frame in seen.frames] != truth[seen.user_id]
        ]

    def find_disorder(self, store: Store) -> list[str]:
        """Gaps, ids that do not ascend in a chat as they came, or a send answered before one of a lower id had begun."""
        wrong = [f"person {seen.user_id} saw {seen.gaps} gaps" for seen in self.seen if seen.gaps]
        for seen in self.seen:
            tops: Counter[int] = Counter()
            for frame in seen.frames:
                if frame["type"] == "message":
                    if frame["id"] < tops[frame["chat_id"]]:
                        wrong.append(f"person {seen.user_id} saw message {frame['id']} after {tops[frame['chat_id']]}")
                    tops[frame["chat_id"]] = frame["id"]
        sends = {id: send for send in self.sends for id in send.ids}
        latest: dict[int, float] = defaultdict(float)
        for id in sorted(sends):
            send = sends[id]
            if send.answered is not None and send.answered < latest[send.chat_id]:
                wrong.append(f"message {id} was answered before one of a lower id was sent")
            latest[send.chat_id] = max(latest[send.chat_id], send.invoked)
        return wrong

    def find_foreign(self) -> list[str]:
        """Frames of a chat that one is never in, or matches with somebody whom one did not like."""
        wrong = []
        for seen in self.seen:
            for frame in seen.frames:
                if frame["type"] == "match":
                    mine = (seen.user_id, frame["user_id"]) in self.likes
                else:
                    chat_id = frame.get("chat_id", 0)
                    mine = seen.user_id in self.chats.get(chat_id, ()) or seen.user_id == self.guests.get(chat_id)
                if not mine:
                    wrong.append(f"person {seen.user_id} got {frame}")
        return wrong

    def find_wrong_matches(self, store: Store) -> list[str]:
        """A match without both likes, both likes and no match, or another number of chats than one for a match."""
        wrong = []
        both = {(one, other) for one, other in self.likes if one < other and (other, one) in self.likes}
        for pair in store.pairs:
            expected = (pair.low_id, pair.high_id) in both
            if (pair.mutual, pair.matched, pair.chats) != (expected, expected, int(expected)):
                wrong.append(f"{pair}, and both liked: {expected}")
        missing = both - {(pair.low_id, pair.high_id) for pair in store.pairs}
        told = Counter((seen.user_id, f["user_id"]) for seen in self.seen for f in seen.frames if f["type"] == "match")
        wrong += [f"{pair} liked each other in vain" for pair in missing]
        wrong += [f"not both of {pair} heard of their match" for pair in both if not (told[pair] and told[pair[::-1]])]
        return wrong

    def find_stale(self) -> list[str]:
        """Deliveries that came only after everything had long been healed."""
        return [f"a delivery took {seconds:.1f} s" for seconds in self.measure_staleness() if seconds > STALE_SECONDS]

    def find_shared_tokens(self) -> list[str]:
        """One-time tokens that admitted more than one socket."""
        return [f"token {token[:6]}… admitted {count} sockets" for token, count in self.admitted.items() if count > 1]

    def measure_staleness(self, since: float = 0.0) -> list[float]:
        """For each message answered since then and each device of its receivers, seconds from answer to sight; ascending."""
        answered = {id: send for send in self.sends for id in send.ids if send.answered is not None and send.answered >= since}
        return sorted(
            max(0.0, seen.moments[id] - (send.answered or 0.0))
            for id, send in answered.items()
            for seen in self.seen
            if id in seen.moments and seen.user_id != send.sender_id
        )


def silence(event: dict[str, Any], deleted: set[int]) -> dict[str, Any]:
    """An event without what a message said that has been deleted since."""
    if event["type"] not in ("message", "message_edited") or event.get("id", event.get("message_id")) not in deleted:
        return event
    return {name: event.get(name) for name in ("type", "seq", "id", "message_id", "chat_id", "user_id", "client_id")}


def find_leaks(before: Open, after: Open) -> list[str]:
    """What clients who have gone have left open."""
    more = after.descriptors - before.descriptors
    wrong = [f"{more} descriptors more than at the start"] if more > SPARE_DESCRIPTORS else []
    return wrong + ([f"{after.transactions} transactions open"] if after.transactions else [])
