"""`dating simulate` on small populations: what it says is the same for a seed, keeps the hard rules, and orders the policies."""

import io
from collections import defaultdict
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from dating.clock import DAY
from dating.matching.deck_queries import STANDING, Row
from dating.matching.ranking import Weights
from dating.matching.scoring import align, describe, introduce
from dating.matching.standing_queries import WEEK
from dating.profiles.models import Profile
from dating.simulation import NO_PLOTS, compare, write
from dating.simulation.figures import gini, lorenz, measure, spread, student
from dating.simulation.market import PASSED, SWIPED, Market, Outcome, Policy, play, room_left
from dating.simulation.policies import POLICIES, ours
from dating.simulation.population import DAYS, FEMALE, MALE, NONBINARY, YES, Integers, Sessions, plan_sessions, populate


def play_small(policy: str, people: int = 150, seed: int = 1) -> Outcome:
    population = populate(people, seed)
    return play(population, plan_sessions(population), POLICIES[policy])


def test_the_population_is_as_described() -> None:
    """Women and men say yes as often as the model says, popular people are pickier, and a fifth comes later."""
    people = populate(2000, 1)
    for gender in (FEMALE, MALE):
        group = np.flatnonzero(people.gender == gender)
        chances = [(1 / (1 + np.exp(-people.likes_odds(one, np.flatnonzero(people.fits(one)))))) for one in group[:200]]
        assert float(np.concatenate(chances).mean()) == pytest.approx(YES[gender], abs=0.03)
        assert np.corrcoef(people.choosiness[group], people.appeal[group])[0, 1] < -0.15
    assert 0.17 < (people.joined > 0).mean() < 0.23


def test_fitting_is_mutual() -> None:
    """If somebody fits me I fit them, whatever both look for."""
    people = populate(300, 2)
    fits = np.stack([people.fits(person) for person in range(300)])
    assert (fits == fits.T).all()
    assert not fits.diagonal().any()
    assert fits.any(axis=1).mean() > 0.9


def test_true_chances_agree_from_both_sides() -> None:
    """What I think of them is what they are thought of by me."""
    people, everybody = populate(50, 3), np.arange(50)
    likes = np.stack([people.likes_odds(person, everybody) for person in range(50)])
    liked = np.stack([people.liked_odds(person, everybody) for person in range(50)])
    assert np.allclose(likes, liked.T)


def test_the_same_seed_tells_the_same_story() -> None:
    """Two runs are equal in every match; another seed is not."""
    one, other = play_small("ours"), play_small("ours")
    assert one.matches == other.matches
    assert (one.shown == other.shown).all()
    assert [page.others.tolist() for page in one.pages] == [page.others.tolist() for page in other.pages]
    assert one.matches != play_small("ours", seed=2).matches


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_hard_rules_hold(policy: str) -> None:
    """Nobody sees somebody twice, somebody who does not fit or is not there yet, or (where promised) who passed on them."""
    population = populate(120, 4)
    seen: set[tuple[int, int]] = set()

    def watch(market: Market, person: int, size: int, dice: np.random.Generator) -> tuple[Integers, np.ndarray]:
        others, propensity = POLICIES[policy].show(market, person, size, dice)
        assert len(others) <= size
        for other in others.tolist():
            assert (person, other) not in seen
            seen.add((person, other))
        assert population.fits(person)[others].all()
        assert (population.joined[others] <= market.now).all()
        if policy not in ("random", "popularity", "one-sided"):
            assert not (market.known[person, others] & (PASSED | SWIPED)).any()
        return others, propensity

    outcome = play(population, plan_sessions(population), Policy(watch, POLICIES[policy].learns))
    assert outcome.swipes == len(seen) == outcome.shown.sum() > 1000


def test_matches_are_mutual_and_counted_once() -> None:
    """A match is two decisions in each other's favor, and appears once."""
    outcome = play_small("inbox")
    pairs = [frozenset((match.one, match.other)) for match in outcome.matches]
    assert len(pairs) == len(set(pairs)) > 20
    for match in outcome.matches:
        assert outcome.people.decide(match.one, np.array([match.other]))[0]
        assert outcome.people.decide(match.other, np.array([match.one]))[0]


def test_the_order_of_the_policies() -> None:
    """In a town of 350 the order is that of the documentation: chance, then the likers first, then both sides, then the truth."""
    found = {policy: measure(play_small(policy, people=350)) for policy in ("random", "popularity", "inbox", "ours", "ceiling")}
    matches = [found[policy].matches_per_100_swipes for policy in ("random", "popularity", "inbox", "ours", "ceiling")]
    assert matches == sorted(matches)
    assert found["ours"].effective_matches > 1.1 * found["popularity"].effective_matches
    assert found["ours"].newcomers_matched > found["random"].newcomers_matched


def test_newcomers_are_seen_by_ten_in_two_days() -> None:
    """Every newcomer whom a hundred people fit, and the last of them far earlier than if no places were kept."""
    kept, free = (time_first_views(policy) for policy in (POLICIES["ours"], ours(Weights(newcomer_share=0.0))))
    assert len(kept) > 20
    assert max(kept) <= 2
    assert max(kept) < max(free) / 2


def time_first_views(policy: Policy) -> list[float]:
    """After how many days each newcomer was seen by ten, of those whom a hundred people fit and who had two days for it."""
    people = populate(300, 1)
    seen: dict[int, list[float]] = defaultdict(list)
    for page in play(people, plan_sessions(people), policy).pages:
        for other in page.others.tolist():
            seen[other].append(page.time - people.joined[other])
    newcomers = np.flatnonzero((people.joined > 0) & (people.joined <= DAYS - 2)).tolist()
    return [seen[person][9] if len(seen[person]) > 9 else DAYS for person in newcomers if people.fits(person).sum() >= 100]


def test_random_slots_are_logged() -> None:
    """About a twentieth of what was shown by ours is by chance, each with its chance; the others leave nothing to chance."""
    pages = play_small("ours").pages
    propensity = np.concatenate([page.propensity for page in pages])
    assert 0.03 < (propensity < 1).mean() < 0.07
    assert (propensity > 0).all()
    assert all((page.propensity == 1).all() for page in play_small("reciprocal").pages)


def test_the_server_sees_what_the_arrays_see() -> None:
    """People with the same counts have the same columns on the server, so the simulator's figures are those of its ranking."""
    people = populate(80, 5)
    market = Market(people)
    sessions = plan_sessions(people)
    first = Sessions(*(column[sessions.time < 6] for column in sessions))
    play_on(market, first)
    others = np.flatnonzero(people.joined <= market.now)[1:]
    arrays = market.describe(0, others)
    me, *persons = list_persons(market, [0, *others.tolist()])
    viewer = Profile(user_id=0, gender=me[1], born=me[2], interests=me[4])
    standing = align(others, list_standings(market, others.tolist()))
    likers = set(others[arrays.likes_viewer > 0].tolist())
    server = describe(introduce(persons, viewer), standing, viewer, likers, WEEK * 3)
    newcomers = people.joined[others] > 0
    assert newcomers.any()
    for name in ("ids", "gender", "choosiness", "appeal", "appeal_precision", "shown", "ever_shown", "unanswered", "matches"):
        assert np.array_equal(getattr(server, name), getattr(arrays, name)), name
    assert np.allclose(server.swipes_per_day, arrays.swipes_per_day)
    assert np.allclose(server.joined_hours[newcomers], arrays.joined_hours[newcomers])
    assert np.array_equal(server.likes_viewer, arrays.likes_viewer > 0)
    assert np.array_equal(server.features["shared_interests"], arrays.features["shared_interests"])
    assert np.allclose(server.features["age_gap"], arrays.features["age_gap"], atol=0.01)


def play_on(market: Market, sessions: Sessions) -> None:
    """These sessions by our policy, on a market that is kept."""
    dice = np.random.default_rng(1)
    for time, person, swipes in zip(*map(np.ndarray.tolist, sessions), strict=True):
        market.advance(time)
        others, _ = POLICIES["ours"].show(market, person, swipes, dice)
        likes = market.people.decide(person, others)
        market.teach(person, others, likes)
        market.swipe(person, others, likes)


def list_persons(market: Market, persons: list[int]) -> list[Row]:
    """Who they are on a server, were it now the beginning of a week there."""
    people = market.people
    gender = {FEMALE: 2, MALE: 1, NONBINARY: 4}
    return [
        (
            one,
            gender[int(people.gender[one])],
            -round(365.25 * int(people.age[one])),
            round(WEEK * 3 - (market.now - float(people.joined[one])) * DAY),
            msgspec.json.encode(np.flatnonzero(people.interests[one]).astype(str).tolist()).decode(),
        )
        for one in persons
    ]


def list_standings(market: Market, persons: list[int]) -> list[Row]:
    """What that server would have written down of them, all of it in this week."""
    counts = {"shown": market.shown, "swipes": market.swiped, "matches": market.matched}
    columns: dict[str, list[float]] = {name: [float(before)] * len(persons) for name, before in STANDING.items()}
    columns["week"] = [3] * len(persons)
    for name in ("choosiness", "appeal", "appeal_precision", "unanswered", "ever_shown"):
        columns[name] = [float(getattr(market, name)[one]) for one in persons]
    for name, weekly in counts.items():
        columns[name] = [float(weekly.week[one]) for one in persons]
    return list(zip(persons, *columns.values(), strict=True))


def test_figures() -> None:
    """Gini, Lorenz curve, room and intervals on numbers that one can check by hand."""
    assert gini(np.ones(10)) == pytest.approx(0)
    assert gini(np.array([0.0, 0, 0, 1])) == pytest.approx(0.75)
    assert gini(np.zeros(3)) == 0
    assert lorenz(np.ones(10))[25] == pytest.approx(0.5)
    assert (room_left(7, 0), room_left(7, 13)) == (1.0, 0.5)
    two = spread([1.0, 3.0])
    assert (two.mean, two.low, two.high) == pytest.approx((2.0, 2 - 12.71, 2 + 12.71))
    assert spread([1.0]).low is None
    assert [round(student(freedom), 2) for freedom in (4, 9, 10, 20, 30, 10_000)] == [2.78, 2.26, 2.23, 2.09, 2.04, 1.96]


def test_the_report_is_written(tmp_path: Path) -> None:
    """The table's numbers are in the JSON, and each chart is there twice; two processes find what one finds."""
    console = Console(quiet=True)
    report = compare(60, 2, ["random", "ours"], 1, console)
    assert compare(60, 2, ["random", "ours"], 2, console) == report
    write(report, tmp_path / "new", console)
    found = msgspec.json.decode((tmp_path / "new" / "simulation.json").read_bytes())
    assert [line["policy"] for line in found["lines"]] == ["random", "ours"]
    assert found["lines"][1]["numbers"]["swipes"]["mean"] > 0
    assert len(found["lines"][1]["curves"]["matches_by_day"]) == DAYS + 1
    assert found["goals"] == []
    charts = {path.name for path in (tmp_path / "new").iterdir()} - {"simulation.json"}
    assert charts == {f"{name}.{kind}" for name in ("matches_by_day", "lorenz", "newcomers_by_day") for kind in ("svg", "png")}
    assert "<!-- ours -->" in (tmp_path / "new" / "lorenz.svg").read_text("utf-8")


def test_without_matplotlib_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON is written all the same, and the sentence says what to install."""
    monkeypatch.setattr("dating.simulation.can_plot", lambda: False)
    said = io.StringIO()
    write(compare(60, 1, ["random"], 1, Console(quiet=True)), tmp_path, Console(file=said, width=200))
    assert NO_PLOTS in said.getvalue()
    assert (tmp_path / "simulation.json").exists()
    assert not list(tmp_path.glob("*.svg"))
