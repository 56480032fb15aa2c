"""What must have come of a run's conversations: what was said, changed, taken back, and told to whom in which order.

Everybody in a chat is told the same in the same order; a guest of a group exactly what is told between coming and going. So one
steady member's inbox is what the others are compared with, and its events are compared with what was answered to the clients.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.faults.history import Deed, History, Seen, Store

KINDS = {
    "edit": "message_edited",
    "delete": "message_deleted",
    "react": "reaction",
    "come": "member_joined",
    "go": "member_left",
}
TOLD = {"message", *KINDS.values()}
Found = tuple[str, str]
"""The check that complains, and of what."""


class Shown(msgspec.Struct):
    """A message as somebody sees it."""

    content: str
    deleted: bool
    reactions: dict[int, str]

    def empty(self) -> None:
        """It has been deleted for all."""
        self.content, self.deleted, self.reactions = "", True, {}


class Words(msgspec.Struct):
    """What an event says of a message."""

    id: int = 0
    message_id: int = 0
    content: str = ""


def judge_conversations(history: History, store: Store) -> dict[str, list[str]]:
    """All checks of this file: what is wrong, by the name of the check."""
    wrong: dict[str, list[str]] = {name: [] for name in ("lost", "doubled", "order", "foreign", "changes", "views", "remains")}
    truth = read_truth(store)
    found = [*find_told(history, store), *find_changed(history, truth), *find_remains(store, truth)]
    for seen in history.seen:
        found += find_wrong_views(history, truth, seen)
    for name, line in found:
        wrong[name].append(line)
    return wrong


def find_told(history: History, store: Store) -> Iterator[Found]:
    """Whoever was told anything else in a chat than its members, or in another order; and what was done and not told once."""
    streams: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    events: dict[str, dict[str, Any]] = {}
    for entry in store.entries:
        event = events.get(entry.event) or events.setdefault(entry.event, msgspec.json.decode(entry.event))
        if event["type"] in TOLD:
            streams[event["chat_id"]][entry.user_id].append(entry.event)
    for chat_id, members in history.chats.items():
        told = streams[chat_id]
        whole = told[min(members)]
        yield from compare_deeds(history, chat_id, [events[text] for text in whole])
        guest = history.guests.get(chat_id)
        for user_id in sorted({*members, *told} | ({guest} if guest else set())):
            expected = whole if user_id in members else []
            if user_id == guest:
                expected = keep_stays(whole, [events[text] for text in whole], user_id)
            yield from compare(f"person {user_id} in chat {chat_id}", expected, told[user_id])


def compare_deeds(history: History, chat_id: int, whole: list[dict[str, Any]]) -> Iterator[Found]:
    """Everything that was done was told once. To delete again is answered and changes nothing."""
    done = Counter(name_deed(deed) for deed in history.deeds if deed.done and deed.chat_id == chat_id)
    done = Counter({deed: 1 if deed[0] == "message_deleted" else count for deed, count in done.items()})
    told = Counter((e["type"], e.get("message_id", 0), e["user_id"]) for e in whole if e["type"] != "message")
    for name, deeds in (("lost", done - told), ("doubled", told - done)):
        for deed, count in deeds.items():
            yield name, f"{deed} in chat {chat_id}, {count} times"


def name_deed(deed: Deed) -> tuple[str, int, int]:
    """A deed as it is told."""
    return KINDS[deed.kind], deed.message_id, deed.user_id


def keep_stays(whole: list[str], events: list[dict[str, Any]], guest: int) -> list[str]:
    """What is told between somebody's coming and going, both included."""
    inside, kept = False, []
    for text, event in zip(whole, events, strict=True):
        inside = inside or (event["type"], event["user_id"]) == ("member_joined", guest)
        if inside:
            kept.append(text)
        inside = inside and (event["type"], event["user_id"]) != ("member_left", guest)
    return kept


def compare(whose: str, expected: list[str], told: list[str]) -> Iterator[Found]:
    """What somebody was not told, was told twice, was not to be told, or was told in another order."""
    if told == expected:
        return
    due, had = Counter(expected), Counter(told)
    differences = [("lost", event) for event in due - had]
    differences += [("doubled" if event in due else "foreign", event) for event in had - due]
    for name, event in differences or [("order", "the same events")]:
        yield name, f"{whose}: {event}"


def read_truth(store: Store) -> dict[int, Shown]:
    """Every message as the database has it."""
    truth = {row.id: Shown(row.content, row.deleted, {}) for row in store.messages}
    for given in store.reactions:
        truth[given.message_id].reactions[given.user_id] = given.emoji
    return truth


def find_changed(history: History, truth: dict[int, Shown]) -> Iterator[Found]:
    """Messages that are not in the database as the last answers to their people say."""
    expected = {id: Shown(send.content, False, {}) for send in history.sends for id in send.ids}
    for deed in history.deeds:
        if deed.done and deed.message_id in expected:
            settle(expected[deed.message_id], deed)
    for id, shown in expected.items():
        if id in truth and truth[id] != shown:
            yield "changes", f"message {id} is {truth[id]}, and was to be {shown}"


def settle(shown: Shown, deed: Deed) -> None:
    """What a deed makes of a message. To give the same emoji again takes it back; what is deleted does not change any more."""
    if deed.kind == "delete":
        shown.empty()
    elif shown.deleted:
        return
    elif deed.kind == "edit":
        shown.content = deed.text
    elif shown.reactions.get(deed.user_id) == deed.text:
        del shown.reactions[deed.user_id]
    else:
        shown.reactions[deed.user_id] = deed.text


def find_wrong_views(history: History, truth: dict[int, Shown], seen: Seen) -> Iterator[Found]:
    """Messages that a device, having applied its events, shows otherwise than the database has them."""
    shown: dict[int, Shown] = {}
    for frame in seen.frames:
        if seen.user_id not in history.chats.get(frame.get("chat_id", 0), ()):
            continue  # a guest does not hear of everything
        if frame["type"] == "message":
            shown[frame["id"]] = Shown(frame["content"], False, {})
        elif (message := shown.get(frame.get("message_id", 0))) is not None:
            apply(message, frame)
    for id, message in shown.items():
        if id in truth and truth[id] != message:
            yield "views", f"person {seen.user_id} sees message {id} as {message}, the database has {truth[id]}"


def apply(message: Shown, frame: dict[str, Any]) -> None:
    """What an event makes of a message on a screen."""
    if frame["type"] == "message_edited":
        message.content = frame["content"]
    elif frame["type"] == "message_deleted":
        message.empty()
    elif "emoji" in frame:
        message.reactions[frame["user_id"]] = frame["emoji"]
    else:
        message.reactions.pop(frame["user_id"], None)


def find_remains(store: Store, truth: dict[int, Shown]) -> Iterator[Found]:
    """Messages that are deleted and of which something is left: in their tables, or in somebody's inbox."""
    for id in store.remains:
        yield "remains", f"of message {id}, in the database"
    for entry in store.entries:
        event = msgspec.json.decode(entry.event, type=Words)
        shown = truth.get(event.id or event.message_id)
        if event.content and shown is not None and shown.deleted:
            yield "remains", f"of a deleted message, in the inbox of person {entry.user_id}: {entry.event}"
