"""The checks of conversations: each has to see the fault that it is there for, and nothing where nothing went wrong."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.faults.conversations import judge_conversations
from tests.faults.history import Deed, Entry, History, Reacted, Row, Seen, Send, Store

ANNA, BORIS, GUEST, STRANGER, GROUP = 1, 2, 3, 4, 7
EVENTS: list[dict[str, Any]] = [
    {"type": "message", "id": 10, "chat_id": GROUP, "user_id": ANNA, "content": "Привет", "client_id": "a"},
    {"type": "message", "id": 11, "chat_id": GROUP, "user_id": BORIS, "content": "", "client_id": "b"},
    {"type": "member_joined", "chat_id": GROUP, "user_id": GUEST, "by_link": False},
    {"type": "reaction", "chat_id": GROUP, "message_id": 10, "user_id": BORIS, "emoji": "👍"},
    {"type": "message_edited", "message_id": 10, "chat_id": GROUP, "user_id": ANNA, "content": "иначе"},
    {"type": "message_deleted", "chat_id": GROUP, "message_id": 11, "user_id": BORIS, "for_all": True},
    {"type": "member_left", "chat_id": GROUP, "user_id": GUEST, "removed": True},
    {"type": "reaction", "chat_id": GROUP, "message_id": 10, "user_id": BORIS},
    {"type": "reaction", "chat_id": GROUP, "message_id": 10, "user_id": BORIS, "emoji": "❤️"},
]
SHOWN = {ANNA: EVENTS, BORIS: EVENTS, GUEST: EVENTS[2:7]}


def tell(told: dict[int, list[dict[str, Any]]]) -> list[Entry]:
    """The inboxes of people who were told this."""
    return [
        Entry(user_id, seq, msgspec.json.encode(event).decode())
        for user_id, events in told.items()
        for seq, event in enumerate(events, 1)
    ]


def whole() -> tuple[History, Store]:
    """A run in which nothing went wrong."""
    history = History()
    history.chats, history.guests = {GROUP: {ANNA, BORIS}}, {GROUP: GUEST}
    history.sends = [Send(ANNA, GROUP, "a", "Привет", 1.0, 1.1, {10}), Send(BORIS, GROUP, "b", "👋", 1.0, 1.1, {11})]
    history.deeds = [
        Deed("come", GUEST, GROUP, done=True),
        Deed("react", BORIS, GROUP, 10, "👍", done=True),
        Deed("edit", ANNA, GROUP, 10, "иначе", done=True),
        Deed("delete", BORIS, GROUP, 11, done=True),
        Deed("delete", BORIS, GROUP, 11, done=True),
        Deed("edit", BORIS, GROUP, 11, "поздно", done=False),
        Deed("go", GUEST, GROUP, done=True),
        Deed("react", BORIS, GROUP, 10, "👍", done=True),
        Deed("react", BORIS, GROUP, 10, "❤️", done=True),
    ]
    history.seen = [Seen(user_id, [dict(event) for event in events], {}, 0) for user_id, events in SHOWN.items()]
    messages = [Row(10, GROUP, ANNA, "a", "иначе"), Row(11, GROUP, BORIS, "b", "", deleted=True)]
    return history, Store(messages, tell(SHOWN), [], [Reacted(10, BORIS, "❤️")])


def retell(store: Store, user_id: int, events: list[dict[str, Any]]) -> Store:
    """The same where somebody was told something else."""
    return replace(store, entries=tell(SHOWN | {user_id: events}))


def lose_edit(history: History, store: Store) -> Store:
    return replace(store, messages=[replace(store.messages[0], content="Привет"), store.messages[1]])


def lose_deletion(history: History, store: Store) -> Store:
    return replace(store, messages=[store.messages[0], replace(store.messages[1], deleted=False)])


def lose_reaction(history: History, store: Store) -> Store:
    return replace(store, reactions=[])


def leave_words(history: History, store: Store) -> Store:
    return retell(store, BORIS, [EVENTS[0], EVENTS[1] | {"content": "👋"}, *EVENTS[2:]])


def leave_versions(history: History, store: Store) -> Store:
    return replace(store, remains=[11])


def miss(history: History, store: Store) -> Store:
    return retell(store, BORIS, EVENTS[:-1])


def repeat(history: History, store: Store) -> Store:
    return retell(store, BORIS, [*EVENTS, EVENTS[-1]])


def swap(history: History, store: Store) -> Store:
    return retell(store, BORIS, [EVENTS[1], EVENTS[0], *EVENTS[2:]])


def tell_stranger(history: History, store: Store) -> Store:
    return retell(store, STRANGER, EVENTS[:1])


def tell_guest_before(history: History, store: Store) -> Store:
    return retell(store, GUEST, EVENTS[1:7])


def tell_guest_after(history: History, store: Store) -> Store:
    return retell(store, GUEST, EVENTS[2:8])


def miss_guest(history: History, store: Store) -> Store:
    return retell(store, GUEST, EVENTS[2:6])


def tell_nobody(history: History, store: Store) -> Store:
    history.deeds.append(Deed("react", ANNA, GROUP, 10, "❤️", done=True))
    return replace(store, reactions=[*store.reactions, Reacted(10, ANNA, "❤️")])


def tell_all_twice(history: History, store: Store) -> Store:
    return replace(store, entries=tell({user_id: [*events, events[-1]] for user_id, events in SHOWN.items()}))


def overlook(history: History, store: Store) -> Store:
    history.seen[0].frames.pop()
    return store


def test_a_whole_run_is_whole() -> None:
    """Where nothing went wrong no check complains."""
    assert not any(judge_conversations(*whole()).values())


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (lose_edit, "changes"),
        (lose_deletion, "changes"),
        (lose_reaction, "changes"),
        (leave_words, "remains"),
        (leave_versions, "remains"),
        (miss, "lost"),
        (miss_guest, "lost"),
        (tell_nobody, "lost"),
        (repeat, "doubled"),
        (tell_all_twice, "doubled"),
        (swap, "order"),
        (tell_stranger, "foreign"),
        (tell_guest_before, "foreign"),
        (tell_guest_after, "foreign"),
        (overlook, "views"),
    ],
)
def test_every_fault_is_seen(spoil: Callable[[History, Store], Store], check: str) -> None:
    """One thing goes wrong, and the check that is there for it says so."""
    history, store = whole()
    assert judge_conversations(history, spoil(history, store))[check]
