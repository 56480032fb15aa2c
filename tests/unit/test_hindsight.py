"""`dating replay-log`: what slots by chance say about policies, on logs whose truth is known."""

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from dating.evaluation import judge_log
from dating.evaluation.hindsight import POLICIES, Estimate, Slot, estimate, look_back
from dating.matching.ranking import DEFAULT
from dating.simulation.exposures import DAY, BadLog, Impression, list_impressions, read_log, write_log
from dating.simulation.market import play
from dating.simulation.policies import POLICIES as SIMULATED
from dating.simulation.population import plan_sessions, populate


def shown(at: int, viewer: int, other: int, liked: bool | None, propensity: float = 0.1) -> Impression:
    """A woman (odd) or a man sees one of the others."""
    return Impression(at, viewer, 2 - viewer % 2, other, 2 - other % 2, propensity, liked)


def by_policy(slots: list[Slot], sharpness: float = 2.0) -> dict[str, Estimate]:
    return {one.policy: one for one in estimate(slots, sharpness, np.random.default_rng(1))}


def test_a_simulated_log_puts_the_policies_in_order() -> None:
    """From the random slots of a simulated town alone: popularity gets the likes, both sides' probability the matches."""
    population = populate(300, 1)
    log = list(list_impressions(play(population, plan_sessions(population), SIMULATED["ours"])))
    found = by_policy(look_back(log))
    assert list(found) == list(POLICIES)
    assert found["popularity"].likes > found["random"].likes
    assert found["reciprocal"].matches > 1.1 * found["random"].matches
    assert found["ours"].matches > found["random"].matches
    assert all(one.low <= one.matches <= one.high for one in found.values())
    assert found["random"].sample > found["ours"].sample > 50


def test_inverse_propensity_by_hand() -> None:
    """Each slot counts by 1 / propensity and the policy's preference, within its viewer; viewers by their slots."""
    even = (0.0,) * len(POLICIES)
    liked = (0.0, np.log(3.0), 0.0, 0.0, 0.0)  # popularity likes this one three times as much
    slots = [Slot(1, even, 10, False, False), Slot(1, even, 10, False, False), Slot(1, liked, 20, True, True)]
    slots += [Slot(2, even, 10, False, False)] * 6 + [Slot(3, even, 10, True, True)] * 2  # the third had too few
    found = by_policy(slots, sharpness=1.0)
    assert found["random"].matches == pytest.approx(100 * (3 * 20 / 40 + 6 * 0) / 9)
    assert found["popularity"].matches == pytest.approx(100 * (3 * 60 / 80) / 9)
    assert estimate([], 1.0, np.random.default_rng(1)) == []


def test_only_what_was_known_counts() -> None:
    """No leakage: what happens after a slot changes nothing about its scores, only what came of it."""
    log = [shown(1, 1, 2, True), shown(2, 3, 2, False), shown(3, 1, 4, None), shown(4, 2, 1, True)]
    before, after = look_back(log[:3]), look_back(log)
    assert [slot.scores for slot in before] == [slot.scores for slot in after[:3]]
    assert (before[0].matched, after[0].matched) == (False, True)
    assert [slot.liked for slot in after] == [True, False, False, True]


def test_who_likes_me_is_a_sure_answer() -> None:
    """After a like the reciprocal score of the one who liked is higher for the liked than it was."""
    plain, liked = look_back([shown(1, 2, 1, None)]), look_back([shown(0, 1, 2, True), shown(1, 2, 1, None)])
    assert liked[1].scores[POLICIES.index("reciprocal")] > plain[0].scores[POLICIES.index("reciprocal")]


def test_a_repeated_impression_teaches_once() -> None:
    """The same swipe in two rows of the log counts as one."""
    once, twice = (look_back([shown(1, 1, 2, True)] * times + [shown(9 * DAY, 3, 2, None)]) for times in (1, 2))
    assert once[-1].scores == twice[-1].scores


def test_the_file_comes_back(tmp_path: Path) -> None:
    """What was written is read, in the order of time; what is none is refused with its line."""
    log = [shown(5, 1, 2, True), shown(3, 2, 1, None), shown(4, 1, 4, False, 1.0)]
    path = tmp_path / "log.jsonl"
    write_log(log, path)
    assert read_log(path) == sorted(log, key=lambda one: one.at)
    for line in ("nonsense", '{"at": 1}', msgspec.json.encode(shown(1, 1, 2, True, 0.0)).decode()):
        path.write_text(msgspec.json.encode(log[0]).decode() + "\n" + line + "\n")
        with pytest.raises(BadLog, match="line 2"):
            read_log(path)


def test_the_table_and_the_json(tmp_path: Path) -> None:
    """A table and JSON; 1 and a sentence where nothing can be said."""
    report, said = tmp_path / "report.json", io.StringIO()
    console = Console(file=said, width=120)
    log = [shown(at, at % 4 + 1, (at + 1) % 4 + 1, at % 3 == 0) for at in range(40)]
    assert judge_log(log, DEFAULT, 2.0, report, console) == 0
    assert [line["policy"] for line in msgspec.json.decode(report.read_bytes())] == list(POLICIES)
    assert "40 of 40 impressions" in said.getvalue()
    assert judge_log([shown(1, 1, 2, True, 1.0)], DEFAULT, 2.0, None, console) == 1
    assert judge_log([], DEFAULT, 2.0, None, console) == 1
    assert "nothing can be said" in said.getvalue()
