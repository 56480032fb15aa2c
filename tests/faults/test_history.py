"""The checks of the referee: each has to see the fault that it is there for, and nothing in a whole run."""

import msgspec
import pytest
from msgspec.structs import replace

from tests.faults.history import Entry, History, Matched, Open, Row, Seen, Send, Store, find_leaks

ANNA, BORIS, CHAT = 1, 2, 7
FRAMES = [
    {"type": "match", "content": "It's a match!", "chat_id": CHAT, "user_id": 0, "seq": 1},
    {"type": "message", "id": 10, "chat_id": CHAT, "user_id": ANNA, "content": "Привет", "client_id": "a", "seq": 2},
    {"type": "message", "id": 11, "chat_id": CHAT, "user_id": ANNA, "content": "👋", "client_id": "b", "seq": 3},
]


def told(user_id: int, other_id: int) -> Seen:
    """What a device applied when nothing went wrong."""
    frames = [FRAMES[0] | {"user_id": other_id}, *FRAMES[1:]]
    return Seen(user_id, frames, {10: 1.5, 11: 2.5}, 0)


def whole() -> tuple[History, Store]:
    """A run in which nothing went wrong."""
    history = History()
    history.sends = [
        Send(ANNA, CHAT, "a", "Привет", invoked=1.0, answered=1.25, ids={10}),
        Send(ANNA, CHAT, "b", "👋", invoked=2.0, answered=2.25, ids={11}),
    ]
    history.likes = {(ANNA, BORIS), (BORIS, ANNA)}
    history.chats = {CHAT: {ANNA, BORIS}}
    history.admitted["one time"] = 1
    history.seen = [told(ANNA, BORIS), told(BORIS, ANNA)]
    messages = [Row(10, CHAT, ANNA, "a", "Привет"), Row(11, CHAT, ANNA, "b", "👋")]
    entries = [
        Entry(seen.user_id, frame["seq"], msgspec.json.encode({key: frame[key] for key in frame if key != "seq"}).decode())
        for seen in history.seen
        for frame in seen.frames
    ]
    return history, Store(messages, entries, [Matched(ANNA, BORIS, mutual=True, matched=True, chats=1)])


def lose(history: History, store: Store) -> Store:
    return replace(store, messages=store.messages[1:])


def miss(history: History, store: Store) -> Store:
    del history.seen[1].moments[11]
    return store


def invent(history: History, store: Store) -> Store:
    return replace(store, messages=[*store.messages, Row(12, CHAT, BORIS, "c", "?")])


def answer_twice(history: History, store: Store) -> Store:
    history.sends[0].ids.add(11)
    return store


def store_twice(history: History, store: Store) -> Store:
    return replace(store, messages=[*store.messages, replace(store.messages[0], id=12)])


def tell_twice(history: History, store: Store) -> Store:
    history.seen[1].frames.append(FRAMES[1] | {"seq": 4})
    return store


def differ(history: History, store: Store) -> Store:
    return replace(store, entries=store.entries[:-1])


def cross(history: History, store: Store) -> Store:
    history.seen[1].frames[1:] = history.seen[1].frames[:0:-1]
    return store


def skip(history: History, store: Store) -> Store:
    history.seen[0] = replace(history.seen[0], gaps=1)
    return store


def overtake(history: History, store: Store) -> Store:
    history.sends[0].ids, history.sends[1].ids = {11}, {10}
    return store


def misdeliver(history: History, store: Store) -> Store:
    history.chats[CHAT] = {ANNA}
    return store


def match_alone(history: History, store: Store) -> Store:
    history.likes.remove((BORIS, ANNA))
    return store


def forget_match(history: History, store: Store) -> Store:
    return replace(store, pairs=[])


def open_twice(history: History, store: Store) -> Store:
    return replace(store, pairs=[replace(store.pairs[0], chats=2)])


def delay(history: History, store: Store) -> Store:
    history.seen[1].moments[11] = 60.0
    return store


def admit_twice(history: History, store: Store) -> Store:
    history.admitted["one time"] += 1
    return store


def refuse(history: History, store: Store) -> Store:
    history.odd.append("/messages/send was answered 500")
    return store


def test_a_whole_run_is_whole() -> None:
    """Where nothing went wrong no check complains, and staleness is the time from the answer to the sight."""
    history, store = whole()
    assert not any(history.judge(store).values())
    assert history.measure_staleness() == [0.25, 0.25]


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (lose, "lost"),
        (miss, "lost"),
        (invent, "unexpected"),
        (answer_twice, "doubled"),
        (store_twice, "doubled"),
        (tell_twice, "doubled"),
        (differ, "disagreement"),
        (cross, "order"),
        (skip, "order"),
        (overtake, "order"),
        (delay, "staleness"),
        (misdeliver, "foreign"),
        (match_alone, "match"),
        (forget_match, "match"),
        (open_twice, "match"),
        (admit_twice, "tokens"),
        (refuse, "refused"),
    ],
)
def test_every_fault_is_seen(spoil: object, check: str) -> None:
    """One thing goes wrong, and the check that is there for it says so."""
    history, store = whole()
    assert callable(spoil)
    spoiled = spoil(history, store)
    assert history.judge(spoiled)[check]


@pytest.mark.parametrize(("after", "leaks"), [(Open(60, 0), 0), (Open(61, 0), 0), (Open(90, 0), 1), (Open(50, 1), 1)])
def test_leaks_are_seen(after: Open, leaks: int) -> None:
    """Descriptors that stay, and transactions that nobody ends, are seen; a pool that has grown is none."""
    assert len(find_leaks(Open(50, 0), after)) == leaks


def test_no_check_is_missing() -> None:
    """The referee judges everything that the contract names."""
    history, store = whole()
    named = {"lost", "unexpected", "doubled", "disagreement", "order", "staleness", "foreign", "match", "tokens", "refused"}
    assert set(history.judge(store)) == named  # and leaks, which the referee adds
