"""The judgement, without I/O: what a person's device applied against what the whole evening did."""

from collections import Counter
from typing import Literal

import msgspec

Fault = Literal["lost", "repeated", "disordered", "foreign", "wrong"]
Key = tuple[object, ...]
NOTES = 10
WIDTH = 300


class Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """Anything the server says on a socket; `seq` is 0 on what is not durable."""

    type: str
    seq: int = 0
    id: int = 0
    chat_id: int = 0
    user_id: int | None = None
    content: str | None = None
    client_id: str | None = None
    conn: str = ""
    message_id: int = 0
    message_ids: tuple[int, ...] = ()
    kind: str = "text"
    to: int = 0
    code: str | int = ""
    detail: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()


class Sent(msgspec.Struct, frozen=True):
    """A message that the server acknowledged with `id`; `sender` is a user id."""

    id: int
    chat_id: int
    sender: int
    content: str
    client_id: str


class Reading(msgspec.Struct, frozen=True):
    """A read that the server acknowledged: of `ids`, or of the whole chat when there are none.

    `news` says that something of the other's was unread, so the other has to hear of it.
    """

    chat_id: int
    reader: int
    ids: tuple[int, ...]
    news: bool


class Faults:
    """What was off, counted by kind, with the first few in words."""

    def __init__(self) -> None:
        self.counts: Counter[Fault] = Counter()
        self.notes: list[str] = []

    def add(self, kind: Fault, note: str, times: int = 1) -> None:
        """Counts it, and keeps the sentence while there is room for it."""
        self.counts[kind] += times
        if len(self.notes) < NOTES:
            self.notes.append(f"{kind}: {note[:WIDTH]}")


class Log:
    """One person's durable events as an application applies them, across connections."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.events: list[Frame] = []
        self.applied = 0
        self.overlap = 0
        self.holes: set[int] = set()
        self.wire: set[int] = set()

    def connect(self) -> None:
        """A new connection: what it repeats of an older one is recognised and harmless."""
        self.wire.clear()

    def take(self, frame: Frame) -> bool:
        """Whether the application applies the event; counts what a connection may not do."""
        seq = frame.seq
        if seq in self.wire:
            self.faults.add("repeated", f"Event {seq} came twice on one connection: {frame.type}.")
            return False
        self.wire.add(seq)
        if seq > self.applied:
            self._advance(frame)
        elif seq in self.holes:
            self.holes.remove(seq)
        else:
            self.overlap += 1
            return False
        self.events.append(frame)
        return True

    def _advance(self, frame: Frame) -> None:
        if frame.seq > self.applied + 1:
            self.faults.add("disordered", f"Event {frame.seq} came after {self.applied}: {frame.type}.")
            self.holes.update(range(self.applied + 1, frame.seq))
        self.applied = frame.seq


class Judge:
    """Goes through one person's applied events; `chats` maps their chats to the other member."""

    def __init__(self, me: int, chats: dict[int, int], sent: list[Sent], readings: list[Reading], faults: Faults) -> None:
        self.me, self.chats, self.faults = me, chats, faults
        self.sent = {message.id: message for message in sent}
        self.readings = readings
        self.seen: set[Key] = set()
        self.newest: Counter[int] = Counter()
        self.delivered: Counter[int] = Counter()
        self.handlers = {
            "match": self._match,
            "message": self._message,
            "delivered": self._delivered,
            "read_chat": self._read_chat,
            "read_messages": self._read_messages,
        }

    def judge(self, log: Log) -> None:
        """Every event once, in order, mine, and all that had to come."""
        for frame in log.events:
            if frame.chat_id and frame.chat_id not in self.chats:
                self._off("foreign", f"was told of a chat not theirs: {frame}")
            elif handler := self.handlers.get(frame.type):
                handler(frame)
        missing = self._required() - self.seen
        if lost := max(len(missing), len(log.holes)):
            self._off("lost", f"never heard {sorted(map(str, missing))[:3]}, gaps {sorted(log.holes)[:3]}", lost)

    def _required(self) -> set[Key]:
        keys: set[Key] = {("match", chat) for chat in self.chats}
        keys |= {("message", message_id) for message_id in self.sent}
        last: dict[int, int] = {}
        for message in self.sent.values():
            if message.sender == self.me:
                last[message.chat_id] = max(message.id, last.get(message.chat_id, 0))
        keys |= {("delivered", chat, message_id) for chat, message_id in last.items()}
        keys |= {read_key(read.chat_id, read.ids) for read in self.readings if read.news and read.reader != self.me}
        return keys

    def _off(self, kind: Fault, what: str, times: int = 1) -> None:
        self.faults.add(kind, f"Person {self.me} {what}.", times)

    def _once(self, key: Key, frame: Frame) -> None:
        if key in self.seen:
            self._off("repeated", f"was told twice, under two numbers: {frame}")
        self.seen.add(key)

    def _match(self, frame: Frame) -> None:
        if frame.user_id != self.chats[frame.chat_id]:
            self._off("foreign", f"was matched with somebody else: {frame}")
        if self.newest[frame.chat_id]:
            self._off("disordered", f"heard of the match after its first message: {frame}")
        self._once(("match", frame.chat_id), frame)

    def _message(self, frame: Frame) -> None:
        self._once(("message", frame.id), frame)
        if frame.kind == "system":
            return
        if not matches(frame, self.sent.get(frame.id)):
            self._off("wrong", f"was shown a message that nobody sent so: {frame}")
        if frame.id <= self.newest[frame.chat_id]:
            self._off("disordered", f"heard a message after a later one: {frame}")
        self.newest[frame.chat_id] = frame.id

    def _delivered(self, frame: Frame) -> None:
        if frame.user_id == self.me:
            return
        self._mine(frame, (frame.message_id,))
        self._once(("delivered", frame.chat_id, frame.message_id), frame)
        if frame.message_id < self.delivered[frame.chat_id]:
            self._off("disordered", f"saw a receipt go back: {frame}")
        self.delivered[frame.chat_id] = frame.message_id

    def _read_chat(self, frame: Frame) -> None:
        if frame.user_id != self.me:
            self._mine(frame, ())
            self._once(read_key(frame.chat_id, ()), frame)

    def _read_messages(self, frame: Frame) -> None:
        if frame.user_id != self.me:
            self._mine(frame, frame.message_ids)
            self._once(read_key(frame.chat_id, frame.message_ids), frame)

    def _mine(self, frame: Frame, ids: tuple[int, ...]) -> None:
        """A receipt comes from the other member, for messages that I sent and have already seen."""
        if frame.user_id != self.chats[frame.chat_id]:
            self._off("foreign", f"had a receipt from a stranger: {frame}")
        for message_id in ids:
            message = self.sent.get(message_id)
            if message is None or message.sender != self.me or message.chat_id != frame.chat_id:
                self._off("wrong", f"had a receipt for what they never sent: {frame}")
            elif message_id > self.newest[frame.chat_id]:
                self._off("disordered", f"had a receipt before the message: {frame}")


def read_key(chat_id: int, ids: tuple[int, ...]) -> Key:
    """Names a read receipt, so that one can wait for it."""
    return ("read_messages", chat_id, tuple(sorted(ids))) if ids else ("read_chat", chat_id)


def matches(frame: Frame, message: Sent | None) -> bool:
    """The event shows exactly the message that was sent."""
    if message is None or frame.client_id not in (None, message.client_id):
        return False
    told = (frame.chat_id, frame.user_id, frame.content)
    return told == (message.chat_id, message.sender, message.content)
