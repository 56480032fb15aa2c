"""The matching behind the daily picks: stable, both ways, the same code for every orientation."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dating.matching import pairing
from dating.matching.pairing import Pairs, Pool
from dating.matching.ranking import DEFAULT

MALE, FEMALE, NONBINARY, UNSAID = 1, 2, 4, 8
KIND = np.array([3, 1, 0, 3, 2, 3, 3, 3, 3])
NOBODY = np.zeros((0, 2), np.int64)


def make(count: int, seed: int = 0, **columns: Any) -> Pool:
    """A pool of random people who seek everybody, everywhere, of every age, but for the given columns."""
    dice = np.random.default_rng(seed)
    gender = columns.pop("gender", dice.choice([MALE, FEMALE, NONBINARY, UNSAID], count)).astype(np.int8)
    place = dice.normal(size=(count, 3))
    whole: dict[str, Any] = {
        "ids": np.arange(count) + 1,
        "gender": gender,
        "seeks": np.full(count, 15, np.int8),
        "kind": KIND[gender],
        "age": dice.integers(18, 60, count).astype(np.float32),
        "min_age": np.full(count, 18, np.float32),
        "max_age": np.full(count, 120, np.float32),
        "any_age": np.ones(count, np.bool_),
        "place": place / np.linalg.norm(place, axis=1)[:, None],
        "reach": np.full(count, -np.inf),
        "choosiness": dice.normal(size=count).astype(np.float32),
        "appeal": dice.normal(size=count).astype(np.float32),
        "topics": (dice.random((count, pairing.TOPICS)) < 0.1).astype(np.float32),
        "lonely": np.zeros(count, np.bool_),
    }
    return Pool(**whole | columns)


def run(pool: Pool, each: int = 3, apart: Any = NOBODY) -> Pairs:
    """Today's pairs."""
    return pairing.pair(pool, apart, each, 1, DEFAULT)


def value_all(pool: Pool) -> Any:
    """The value of every pair, both ways round."""
    half = pairing.value(pool, DEFAULT)
    return half + half.T


def take_simply(values: Any, each: int) -> list[tuple[int, int]]:
    """The same matching, edge by edge: the best first, of equals that of the first row, then of the first column."""
    rows, columns = np.nonzero(values)
    room = [each] * len(values)
    taken = []
    for _, one, other in sorted(zip(-values[rows, columns], rows.tolist(), columns.tolist(), strict=True)):
        if room[one] and room[other]:
            room[one] -= 1
            room[other] -= 1
            taken.append((one, other))
    return taken


def find_blocking(values: Any, pairs: Pairs, each: int) -> list[tuple[int, int]]:
    """Pairs who would both rather have each other than the worst that they got (or an empty place)."""
    mine: dict[int, list[float]] = {person: [] for person in range(len(values))}
    taken = set()
    for one, other in zip(pairs.one.tolist(), pairs.other.tolist(), strict=True):
        taken.add((min(one, other), max(one, other)))
        mine[one].append(values[one, other])
        mine[other].append(values[one, other])
    worst = [min(got) if len(got) == each else 0.0 for got in mine.values()]
    return [
        (one, other)
        for one in range(len(values))
        for other in range(one + 1, len(values))
        if (one, other) not in taken and values[one, other] > max(worst[one], worst[other])
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_matching_is_stable(seed: int) -> None:
    """Nobody has more than their places, and no two people would both rather have each other. Blocks of rows change nothing."""
    pool = make(700 if seed == 0 else 90, seed)
    pairs = run(pool)
    assert max(np.bincount(np.concatenate((pairs.one, pairs.other)))) <= 3
    assert find_blocking(value_all(pool), pairs, 3) == []


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 60),
    levels=st.sampled_from([1, 2, 5, 100, 10**6]),
    share=st.sampled_from([0.02, 0.3, 1.0]),
    common=st.booleans(),
    each=st.integers(1, 4),
    at_once=st.sampled_from([1, 3, 50, pairing.EDGES]),
)
@settings(max_examples=300, deadline=None)
def test_bands_change_nothing(seed: int, count: int, levels: int, share: float, common: bool, each: int, at_once: int) -> None:
    """In few or many bands, with values of one's own or the same for everybody, many of them equal, most of them none: the
    pairs and their order are those of the simple way."""
    dice = np.random.default_rng(seed)
    worth = np.multiply.outer(*[dice.random(count)] * 2) if common else dice.random((count, count))
    values = np.triu(np.ceil(worth * levels) / levels * (dice.random((count, count)) < share), 1).astype(np.float32)
    expected = take_simply(values, each)
    pairs = pairing.take_best(values.copy(), each, at_once)
    assert list(zip(pairs.one.tolist(), pairs.other.tolist(), strict=True)) == expected
    assert (pairs.value == [values[edge] for edge in expected]).all()


def test_a_crowd_of_equals_is_paired() -> None:
    """A whole pool of people of whom nothing is known: everybody gets their places, in few bands."""
    count = 1000
    alike = {"age": np.full(count, 30, np.float32), "choosiness": np.zeros(count, np.float32)}
    pool = make(count, **alike, appeal=np.zeros(count, np.float32), topics=np.zeros((count, 0)), gender=np.full(count, MALE))
    pairs = run(pool)
    assert (np.bincount(np.concatenate((pairs.one, pairs.other))) == 3).all()


def test_a_pool_keeps_its_memory_within_bounds() -> None:
    """Nothing but the values has a number for each pair of people: twice their size is never taken at once."""
    pool = make(1500, 9)
    run(make(10))
    tracemalloc.start()
    run(pool)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3 * 4 * 1500**2, most


def test_the_value_is_that_of_the_ranking() -> None:
    """p_ij · p_ji is what the ranking says of two people without optimism, to single precision."""
    from msgspec.structs import replace

    from dating.matching.ranking import People, Viewer, log_odds

    pool = make(40, 3)
    found = value_all(pool)
    bits = np.array([1, 2, 4, 8])[pool.kind]
    for row in range(3):
        people = People(
            ids=pool.ids,
            gender=bits,
            choosiness=pool.choosiness,
            appeal=pool.appeal,
            features={"shared_interests": pool.topics @ pool.topics[row], "age_gap": abs(pool.age - pool.age[row])},
        )
        viewer = Viewer(int(bits[row]), float(pool.choosiness[row]), float(pool.appeal[row]))
        likes, back = log_odds(viewer, people, replace(DEFAULT, optimism=0.0))
        expected = 1 / (1 + np.exp(-likes)) / (1 + np.exp(-back))
        expected[row] = 0
        np.testing.assert_allclose(found[row], expected, rtol=1e-4)


def test_every_orientation_gets_picks() -> None:
    """Gay, lesbian, bisexual, straight and non-binary people: the same code, each only whom they seek and who seeks them."""
    kinds = [
        (MALE, MALE),
        (FEMALE, FEMALE),
        (MALE, 3),
        (FEMALE, 3),
        (MALE, FEMALE),
        (FEMALE, MALE),
        (NONBINARY, 15),
        (UNSAID, 15),
    ]
    gender = np.repeat([gender for gender, _ in kinds], 20)
    seeks = np.repeat([seeks for _, seeks in kinds], 20).astype(np.int8)
    pool = make(160, 5, gender=gender, seeks=seeks)
    pairs = run(pool)
    picked = np.bincount(np.concatenate((pairs.one, pairs.other)), minlength=160).reshape(8, 20)
    assert (picked.sum(axis=1) > 0).all(), picked
    assert (picked[:6] > 0).mean() > 0.9
    assert (pool.seeks[pairs.one] & pool.gender[pairs.other] != 0).all()
    assert (pool.seeks[pairs.other] & pool.gender[pairs.one] != 0).all()


def test_rules_hold_both_ways() -> None:
    """Ages and distances of either are kept; what is not said fits only where there is no rule."""
    age = np.array([20, 30, 40, np.nan], np.float32)
    least, most = np.array([18, 25, 18, 18], np.float32), np.array([120, 35, 120, 120], np.float32)
    free = np.array([True, False, True, True])
    values = value_all(make(4, age=age, min_age=least, max_age=most, any_age=free))
    assert (values[1] == 0).all()
    assert values[0, 2] > 0
    assert values[0, 3] > 0
    place = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [np.nan, 0, 0]], float)
    reach = np.array([0.5, -np.inf, -np.inf, -np.inf])
    values = value_all(make(4, place=place, reach=reach))
    assert (values[0] > 0).tolist() == [False, True, False, False]
    assert values[1, 3] > 0


def test_who_is_kept_apart_is_no_pair() -> None:
    """Two people who must not meet get others."""
    pool = make(30, 7)
    first = run(pool, 1)
    apart = np.stack((first.one, first.other), axis=1)
    second = run(pool, 1, apart)
    met = {frozenset(pair) for pair in apart.tolist()}
    assert not met & {frozenset(pair) for pair in zip(second.one.tolist(), second.other.tolist(), strict=True)}


def test_whoever_had_no_good_pick_comes_first() -> None:
    """With two alike and one place, the lonely one gets it; what is told of the pair's value stays the probability."""
    columns = {"gender": np.array([MALE, MALE, FEMALE]), "seeks": np.array([FEMALE, FEMALE, MALE], np.int8)}
    alike = {"age": np.full(3, 30, np.float32), "choosiness": np.zeros(3, np.float32), "appeal": np.zeros(3, np.float32)}
    for lonely in (0, 1):
        pool = make(3, **columns, **alike, topics=np.zeros((3, 4), np.float32), lonely=np.arange(3) == lonely)
        pairs = run(pool, 1)
        assert {int(pairs.one[0]), int(pairs.other[0])} == {lonely, 2}
        assert pairs.value[0] == pytest.approx(value_all(pool)[lonely, 2])


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_small_worlds(count: int) -> None:
    """Nobody, one, two and three people, all of whom are alike: no more pairs than there are."""
    alike = {"age": np.full(count, 30, np.float32), "choosiness": np.zeros(count, np.float32)}
    pairs = run(make(count, **alike, appeal=np.zeros(count, np.float32), topics=np.zeros((count, 4), np.float32)))
    assert len(pairs.one) == count * (count - 1) // 2


def test_absurd_numbers_break_nothing() -> None:
    """NaN and infinite log-odds: every value is a probability, and there are pairs."""
    odd = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0], np.float32)
    pool = make(6, choosiness=odd, appeal=odd[::-1].copy(), age=np.full(6, np.nan, np.float32))
    values = value_all(pool)
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    assert (values <= 1).all()
    assert len(run(pool).one)


def test_a_pool_has_a_bound() -> None:
    """More people than a pool may have are refused before any memory is taken."""
    with pytest.raises(ValueError, match="at most"):
        run(make(pairing.MOST + 1))
