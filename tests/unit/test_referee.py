"""The referee of `dating replay`: it has to see every fault that a server could have."""

import pytest
from msgspec.structs import replace

from dating.replay.referee import Fault, Faults, Frame, Judge, Log, Reading, Sent

ME, OTHER, CHAT = 1, 2, 42
HELLO = Sent(id=10, chat_id=CHAT, sender=ME, content="Привет 👋", client_id="a")
REPLY = Sent(id=11, chat_id=CHAT, sender=OTHER, content="Hi 🙂", client_id="b")
READ = Reading(chat_id=CHAT, reader=OTHER, ids=(10,), news=True)

MATCH = Frame("match", chat_id=CHAT, user_id=OTHER)
SYSTEM = Frame("message", id=9, chat_id=CHAT, user_id=None, content="It's a match!", kind="system")
MINE = Frame("message", id=10, chat_id=CHAT, user_id=ME, content="Привет 👋", client_id="a")
THEIRS = Frame("message", id=11, chat_id=CHAT, user_id=OTHER, content="Hi 🙂", client_id="b")
DELIVERED = Frame("delivered", chat_id=CHAT, user_id=OTHER, message_id=10)
SEEN = Frame("read_messages", chat_id=CHAT, user_id=OTHER, message_ids=(10,))
ECHO = Frame("read_chat", chat_id=CHAT, user_id=ME)
WHOLE = [MATCH, SYSTEM, MINE, DELIVERED, SEEN, THEIRS, ECHO]


def judge(frames: list[Frame]) -> dict[Fault, int]:
    """What the judge finds when these frames come with the numbers 1, 2, 3 …"""
    faults = Faults()
    log = Log(faults)
    for seq, frame in enumerate(frames, 1):
        log.take(replace(frame, seq=seq))
    Judge(ME, {CHAT: OTHER}, [HELLO, REPLY], [READ], faults).judge(log)
    return dict(faults.counts)


def take(numbers: list[int], reconnect_before: int) -> tuple[dict[Fault, int], list[int], int]:
    """Faults, what was applied, and the harmless repeats, when events with these numbers come."""
    faults = Faults()
    log = Log(faults)
    for place, seq in enumerate(numbers, 1):
        if place == reconnect_before:
            log.connect()
        log.take(Frame("match", seq=seq))
    return dict(faults.counts), [frame.seq for frame in log.events], log.overlap


def test_whole_story_has_no_fault() -> None:
    """Everything once and in order is what the referee wants to see."""
    assert judge(WHOLE) == {}


@pytest.mark.parametrize("missing", [MATCH, MINE, THEIRS, DELIVERED, SEEN])
def test_missing_event_is_lost(missing: Frame) -> None:
    """Whatever had to come and did not is counted as lost."""
    assert judge([frame for frame in WHOLE if frame is not missing])["lost"] == 1


@pytest.mark.parametrize("twice", [MATCH, SYSTEM, MINE, DELIVERED, SEEN])
def test_event_under_two_numbers_is_repeated(twice: Frame) -> None:
    """The same news under a second number would be shown twice."""
    assert judge([*WHOLE, twice])["repeated"] == 1


@pytest.mark.parametrize(
    ("story", "kind"),
    [
        ([*WHOLE, replace(MINE, chat_id=43)], "foreign"),
        ([replace(MATCH, user_id=3), *WHOLE[1:]], "foreign"),
        ([*WHOLE[:3], replace(DELIVERED, user_id=3), *WHOLE[3:]], "foreign"),
        ([MATCH, replace(MINE, content="Привет"), DELIVERED, SEEN, THEIRS], "wrong"),
        ([*WHOLE, replace(THEIRS, id=12)], "wrong"),
        ([*WHOLE, replace(DELIVERED, message_id=11)], "wrong"),
        ([MATCH, THEIRS, MINE, DELIVERED, SEEN], "disordered"),
        ([MINE, MATCH, DELIVERED, SEEN, THEIRS], "disordered"),
        ([MATCH, DELIVERED, MINE, SEEN, THEIRS], "disordered"),
    ],
)
def test_each_fault_has_its_name(story: list[Frame], kind: Fault) -> None:
    """A stranger's news, altered content, and news before its cause are told apart."""
    assert judge(story).get(kind, 0) >= 1


@pytest.mark.parametrize(
    ("numbers", "reconnect_before", "found"),
    [
        ([1, 2, 3], 0, ({}, [1, 2, 3], 0)),
        ([1, 2, 2, 3], 3, ({}, [1, 2, 3], 1)),
        ([1, 2, 2, 3], 0, ({"repeated": 1}, [1, 2, 3], 0)),
        ([1, 3, 2], 0, ({"disordered": 1}, [1, 3, 2], 0)),
    ],
)
def test_numbers_recognize_repeats(
    numbers: list[int], reconnect_before: int, found: tuple[dict[Fault, int], list[int], int]
) -> None:
    """A repeat after a resume is harmless, one on a live connection is not, and neither is applied."""
    assert take(numbers, reconnect_before) == found


def test_gap_in_numbers_is_lost() -> None:
    """A number that never comes counts, even when nobody knows what it stood for."""
    faults = Faults()
    log = Log(faults)
    for seq, frame in zip((1, 2, 3, 4, 5, 6, 8), WHOLE, strict=True):
        log.take(replace(frame, seq=seq))
    Judge(ME, {CHAT: OTHER}, [HELLO, REPLY], [READ], faults).judge(log)
    assert dict(faults.counts) == {"disordered": 1, "lost": 1}
