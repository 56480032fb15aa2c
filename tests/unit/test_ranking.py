"""The score, the page and the learning: what holds for every input, and what the formula says."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dating.matching.ranking import DEFAULT, PRIOR, Kind, Page, People, Viewer, Weights, choose, expect, learn, score
from dating.matching.scoring import in_week
from dating.matching.standing_queries import WEEK
from dating.matching.weights import read_weights
from dating.settings import Settings

COLUMNS = [name for name in People._fields if name not in ("ids", "features", "mean_shown")]
ABSURD = st.floats(allow_nan=True, allow_infinity=True, width=64)
SOBER = st.floats(0, 100)


def dice(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def crowd(count: int, **columns: Any) -> People:
    """People with ids from 1, of whom only the given columns are known."""
    arrays = {name: np.broadcast_to(np.asarray(values, float), count) for name, values in columns.items()}
    return People(np.arange(1, count + 1), **arrays)


def page_of(people: People, size: int, viewer: Viewer | None = None, weights: Weights = DEFAULT, seed: int = 1) -> Page:
    return choose(people, score(viewer or Viewer(), people, weights), size, dice(seed), weights)


def test_the_settings_are_the_weights() -> None:
    """Every setting of the ranking is a weight, with the same default, and a changed one arrives."""
    assert read_weights(Settings()) == DEFAULT
    assert read_weights(Settings(ranking_fairness=2.0)).fairness == 2.0
    named = {name.removeprefix("ranking_") for name in Settings.__struct_fields__ if name.startswith("ranking_")}
    assert named == set(Weights.__struct_fields__) - {"base"}


@st.composite
def crowds(draw: st.DrawFn) -> People:
    """Any number of people, any columns missing, any numbers."""
    count = draw(st.integers(0, 40))
    numbers = draw(st.sampled_from([ABSURD, SOBER]))

    def column() -> Any:
        return np.array(draw(st.lists(numbers, min_size=count, max_size=count)))

    known = draw(st.sets(st.sampled_from(COLUMNS)))
    features = {name: column() for name in draw(st.sets(st.sampled_from(["shared_interests", "age_gap", "shoe_size"])))}
    return People(
        np.arange(count) * 7,
        **{name: column() for name in known},
        features=features,
        mean_shown=draw(st.none() | ABSURD),
    )


@settings(max_examples=200, deadline=None)
@given(crowds(), st.integers(-(2**62), 2**62), ABSURD, ABSURD, st.integers(-5, 60), st.integers(0, 99))
def test_whatever_comes_in_a_page_comes_out(
    people: People, gender: int, choosiness: float, appeal: float, size: int, seed: int
) -> None:
    """With any numbers, missing columns and any viewer, scores are finite and the page has as many people as there are."""
    scores = score(Viewer(gender, choosiness, appeal), people)
    page = choose(people, scores, size, dice(seed))
    assert np.isfinite(scores).all()
    assert len(page.rows) == len(set(page.rows)) == max(0, min(size, len(people.ids)))
    assert ((page.rows >= 0) & (page.rows < len(people.ids))).all()
    assert ((page.propensity > 0) & (page.propensity <= 1)).all()
    again = choose(people, scores, size, dice(seed))
    assert all(np.array_equal(one, other) for one, other in zip(page, again, strict=True))


def test_a_page_of_scores_that_are_not_numbers() -> None:
    """Somebody whose score is not a number comes last and is not lost."""
    page = choose(crowd(3), np.array([np.nan, 1.0, 2.0]), 3, dice(), Weights(random_share=0.0))
    assert page.rows.tolist() == [2, 1, 0]


def test_the_formula() -> None:
    """The score of one pair is what the docstring says, computed by hand."""
    weights = Weights(fairness=2.0, base=((-1.0, -2.0, 0, 0), (-0.5, 0, 0, 0), (0,) * 4, (0,) * 4))
    people = crowd(2, gender=2, choosiness=[0.3, 0], appeal=[0.4, 0], appeal_precision=4, shown=[3, 1])
    people = people._replace(
        swipes_per_day=np.array([2, 9]), unanswered=np.array([11, 0]), matches=np.array([13, 0]), likes_viewer=np.array([0, 1])
    )
    people = people._replace(features={"shared_interests": np.array([2, 0]), "age_gap": np.array([10, 0])})
    shared = 2 * 0.044 - 10 * 0.041
    likes, back = -2.0 + 0.2 + 0.4 + 0.5 / 2 + shared, -0.5 + 0.3 + 0.1 + shared
    expected = math.log(1 / (1 + math.exp(-likes))) + math.log(1 / (1 + math.exp(-back)))
    expected += math.log(3 * 2 / 12) + math.log(7 / 14) - 2 * math.log(1 + 3 / 2)
    found = score(Viewer(1, 0.2, 0.1), people, weights)
    assert found[0] == pytest.approx(expected)
    assert found[1] == pytest.approx(math.log(1 / (1 + math.exp(1.55))) - 2 * math.log(1.5))  # likes me: a sure answer


@pytest.mark.parametrize(
    ("name", "better", "worse"),
    [
        ("choosiness", 1, 0),
        ("appeal", 1, 0),
        ("appeal_precision", 1, 50),
        ("shown", 0, 10),
        ("swipes_per_day", 9, 0.1),
        ("unanswered", 0, 90),
        ("matches", 3, 30),
        ("likes_viewer", 1, 0),
    ],
)
def test_each_factor_points_the_right_way(name: str, better: float, worse: float) -> None:
    """All else equal, the page begins with who is likelier to answer, has time, was shown less or is less known."""
    people = crowd(2, **{name: [worse, better]})
    assert page_of(people, 2, weights=Weights(random_share=0.0)).rows.tolist() == [1, 0]


def test_counts_of_seven_days() -> None:
    """The running week whole, of the one before the part that is not over; nothing of older ones, or of a clock far ahead."""
    weeks = np.array([10.0, 9.0, 8.0, 11.0, 12.0])
    found = in_week(weeks, np.full(5, 40.0), np.full(5, 8.0), 10 * WEEK + WEEK // 4)
    assert found.tolist() == [46.0, 30.0, 0.0, 46.0, 0.0]


def test_equal_scores_go_by_id() -> None:
    """Where nothing tells people apart, the order is stable: by id."""
    assert page_of(crowd(30), 10, weights=Weights(random_share=0.0)).rows.tolist() == list(range(10))


def test_the_random_slot_is_fair_and_logged() -> None:
    """One slot in twenty is by chance, everybody has the same chance in it, and that chance is what is logged."""
    people = crowd(40, appeal=np.linspace(-3, 3, 40))
    pages = [page_of(people, 20, seed=seed) for seed in range(4000)]
    drawn = np.concatenate([page.rows[page.kinds == Kind.RANDOM] for page in pages])
    assert len(drawn) == 4000
    assert np.bincount(drawn, minlength=40).min() > 60
    assert {float(chance) for page in pages for chance in page.propensity} == {1 / 40, 1.0}
    places = np.concatenate([np.flatnonzero(page.kinds == Kind.RANDOM) for page in pages])
    assert np.bincount(places, minlength=20).min() > 140


def test_short_pages_have_their_share_of_chance() -> None:
    """Pages of five have a random slot in one of four cases."""
    people = crowd(40)
    assert 880 < sum(int((page_of(people, 5, seed=seed).kinds == Kind.RANDOM).sum()) for seed in range(4000)) < 1120


def test_newcomers_get_their_first_impressions() -> None:
    """A newcomer whom nobody would choose is shown until ten impressions or 48 hours, and not for them afterwards."""
    weights = Weights(random_share=0.0)
    joined = np.full(100, 1000.0)
    joined[:4] = (1.0, 47.0, 49.0, -5.0)  # the clock went back for the last
    shown = np.zeros(100)
    shown[4:] = 50
    people = crowd(100, appeal=np.where(np.arange(100) < 4, -9, 1), joined_hours=joined, ever_shown=shown)
    page = page_of(people, 20, weights=weights)
    assert set(page.rows[page.kinds == Kind.NEWCOMER]) == {0, 1, 3}
    shown[:4] = 10
    assert not (page_of(people._replace(ever_shown=shown), 20, weights=weights).kinds == Kind.NEWCOMER).any()


def test_newcomers_do_not_crowd_out_the_rest() -> None:
    """When everybody is new, their slots are a fifth of the page, and the rest goes by score."""
    page = page_of(crowd(100, joined_hours=1, ever_shown=0), 20, weights=Weights(random_share=0.0))
    assert int((page.kinds == Kind.NEWCOMER).sum()) == 4


@settings(max_examples=200, deadline=None)
@given(st.booleans(), ABSURD, ABSURD, ABSURD)
def test_a_lesson_is_always_a_number(liked: bool, odds: float, choosiness: float, appeal: float) -> None:
    """No swipe makes anything infinite or takes precision away, and a like never lowers, a dislike never raises."""
    lesson = learn(liked, odds, choosiness, appeal)
    assert all(map(math.isfinite, lesson))
    assert lesson.choosiness_precision >= 0
    assert (lesson.appeal >= 0) if liked else (lesson.appeal <= 0)


def test_learning_finds_the_truth() -> None:
    """From swipes alone, one at a time, choosiness and appeal come out as they are, and certainty grows."""
    generator = dice(3)
    true_s, true_q = generator.normal(0, 1, 60), generator.normal(0, 1, 60)
    s, q, s_precision, q_precision = np.zeros(60), np.zeros(60), np.full(60, PRIOR), np.full(60, PRIOR)
    for _ in range(12_000):
        i, j = generator.integers(60, size=2)
        liked = generator.random() < 1 / (1 + math.exp(-(DEFAULT.base[0][1] + true_s[i] + true_q[j])))
        odds = expect(Viewer(1, s[i]), Viewer(2, appeal=q[j]))
        step = learn(bool(liked), odds, s_precision[i], q_precision[j])
        s[i] += step.choosiness
        s_precision[i] += step.choosiness_precision
        q[j] += step.appeal
        q_precision[j] += step.appeal_precision
    assert np.corrcoef(s, true_s)[0, 1] > 0.93
    assert np.corrcoef(q, true_q)[0, 1] > 0.93
    assert min(s_precision.min(), q_precision.min()) > 10


def test_expectation_and_score_agree() -> None:
    """What `expect` says of one pair is what `score` uses for it, apart from optimism."""
    people = crowd(1, gender=2, appeal=0.7, likes_viewer=1)._replace(features={"age_gap": np.array([4.0])})
    found = score(Viewer(1, 0.3), people, Weights(optimism=0.0, fairness=0.0))[0]
    odds = expect(Viewer(1, 0.3), Viewer(2, appeal=0.7), {"age_gap": 4.0, "shoe_size": 44.0})
    assert found == pytest.approx(-math.log1p(math.exp(-odds)))
