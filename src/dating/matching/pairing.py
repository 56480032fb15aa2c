"""Who fits whom best today: a stable matching over a pool of people. Arrays in, arrays out; no database, no clock.

    value_ij = p_ij · p_ji · bonus_i · bonus_j          p as in `ranking`, without optimism

Both ends value an edge alike, so taking the best edge that is left, again and again, gives the one stable matching: no two people
would both rather have each other than somebody they got. That needs no two sides of the market, so every orientation is the same
code. Each person takes part up to `each` times.

Among people with equal values a shuffle by the day decides. Memory: four bytes for each ordered pair, 64 MB for the 4,000 people
that a pool has at most.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dating.matching.ranking import Weights

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
Bits = NDArray[np.int8]

MOST = 4000  # people in a pool
BLOCK = 500  # rows computed at once
TOPICS = 64  # interests that are compared: the commonest of the pool
MOST_ODDS = 10.0  # log-odds of one term: the products of all stay finite
BONUS = 2.0  # for whoever had no good pick lately; a power of two, so that both ends agree on a value to the last bit


class Pool(NamedTuple):
    """People, one row each. `gender` and `seeks` are bits, the same in both; `kind` is the gender's row of `Weights.base`.

    `age` is NaN where it was not said; `any_age` says that the person has no rule about it. `place` are unit vectors, NaN where
    unknown; `reach` is the cosine of the farthest that the person accepts, -inf for no rule. `topics` is one column for each
    interest. `lonely`: no good pick lately.
    """

    ids: Numbers
    gender: Bits
    seeks: Bits
    kind: Numbers
    age: Floats
    min_age: Floats
    max_age: Floats
    any_age: NDArray[np.bool_]
    place: NDArray[np.float64]
    reach: NDArray[np.float64]
    choosiness: Floats
    appeal: Floats
    topics: Floats
    lonely: NDArray[np.bool_]


class Pairs(NamedTuple):
    """Rows of the pool, the better pairs first, and p_ij · p_ji of each."""

    one: Numbers
    other: Numbers
    value: Floats


def pair(pool: Pool, apart: Numbers, each: int, seed: int, weights: Weights) -> Pairs:
    """The stable matching. `apart` are pairs of rows that must not meet, two columns; `seed` decides between equals."""
    count = len(pool.ids)
    if count > MOST:
        raise ValueError(f"a pool has at most {MOST} people")
    order = np.random.default_rng(seed).permutation(count)
    place = np.empty(count, np.int64)
    place[order] = np.arange(count)
    columns: list[Any] = [column[order] for column in pool]
    shuffled = Pool(*columns)
    values = value(shuffled, weights)
    if len(apart):
        one, other = place[apart[:, 0]], place[apart[:, 1]]
        values[one, other] = values[other, one] = 0
    bonus = np.where(shuffled.lonely, np.float32(BONUS), np.float32(1))
    values *= bonus[:, None]
    values *= bonus
    found = take_best(values, each)
    raw = found.value / (bonus[found.one] * bonus[found.other])
    return Pairs(order[found.one], order[found.other], raw)


def value(pool: Pool, weights: Weights) -> Floats:
    """p_ij · p_ji of every pair; 0 where either does not fit the other's rules. Half of it is computed, the rest mirrored."""
    count = len(pool.ids)
    values = np.empty((count, count), np.float32)
    terms = make_terms(pool, weights)
    for first in range(0, count, BLOCK):
        for second in range(first, count, BLOCK):
            rows, columns = slice(first, first + BLOCK), slice(second, second + BLOCK)
            block = multiply(pool, terms, rows, columns, weights) * fit(pool, terms, rows, columns)
            if first == second:
                block = np.triu(block, 1)
                block += block.T
            values[rows, columns] = block
            values[columns, rows] = block.T
    return values


class Terms(NamedTuple):
    """What each person brings into a pair, made so that a block is products and comparisons alone.

    `base`, `choosiness` and `appeal` are exp(-x) of log-odds. `place` and `mirror` are (x, y, z, a, 1) and
    (x, y, z, 1, a) with a = 0, or -3 and no x, y, z for a place that is not known: their product is the cosine, and below
    every reach but none.
    """

    base: Floats
    choosiness: Floats
    appeal: Floats
    years: Floats
    age: Floats
    least: Floats
    most: Floats
    place: NDArray[np.float64]
    mirror: NDArray[np.float64]


def make_terms(pool: Pool, weights: Weights) -> Terms:
    """The terms of a pool."""
    known: NDArray[np.bool_] = np.asarray(~np.isnan(pool.place).any(axis=1))
    vector = np.where(known[:, None], pool.place, 0.0)
    away, one = np.where(known, 0.0, -3.0)[:, None], np.ones((len(known), 1))
    said: NDArray[np.bool_] = np.asarray(~np.isnan(pool.age))
    return Terms(
        base=np.exp(-np.asarray(weights.base, np.float32)),
        choosiness=np.exp(-tidy(pool.choosiness)),
        appeal=np.exp(-tidy(pool.appeal)),
        years=np.where(said, pool.age, np.float32(pool.age[said].mean() if said.any() else 0)),
        age=np.where(said, pool.age, np.float32(-1)),
        least=np.where(pool.any_age, np.float32(-np.inf), pool.min_age),
        most=np.where(pool.any_age, np.float32(np.inf), pool.max_age),
        place=np.hstack((vector, away, one)),
        mirror=np.hstack((vector, one, away)),
    )


def multiply(pool: Pool, terms: Terms, rows: slice, columns: slice, weights: Weights) -> Floats:
    """p_ij · p_ji of a block: 1 / (1 + exp(-odds_ij)) / (1 + exp(-odds_ji))."""
    alike = (pool.topics[rows] * np.float32(weights.shared_interests)) @ pool.topics[columns].T
    gap = np.subtract.outer(terms.years[rows], terms.years[columns])
    alike += np.abs(gap, out=gap) * np.float32(weights.age_gap)
    shared = np.exp(-np.clip(alike, -MOST_ODDS, MOST_ODDS, out=alike))
    mine, theirs = pool.kind[rows], pool.kind[columns]
    there = terms.base[mine][:, theirs] * shared
    there *= terms.choosiness[rows][:, None]
    there *= terms.appeal[columns]
    back = terms.base.T[mine][:, theirs] * shared
    back *= terms.appeal[rows][:, None]
    back *= terms.choosiness[columns]
    there += 1
    back += 1
    there *= back
    chance: Floats = np.reciprocal(there, out=there)
    return chance


def fit(pool: Pool, terms: Terms, rows: slice, columns: slice) -> NDArray[np.bool_]:
    """Which pairs of a block fit each other's rules. What is not said fits only where there is no rule about it."""
    found: NDArray[np.bool_] = np.bitwise_and.outer(pool.seeks[rows], pool.gender[columns]) != 0
    found &= np.bitwise_and.outer(pool.gender[rows], pool.seeks[columns]) != 0
    cosine = terms.place[rows] @ terms.mirror[columns].T
    found &= cosine >= pool.reach[rows][:, None]
    found &= cosine >= pool.reach[columns]
    found &= (terms.age[columns] >= terms.least[rows][:, None]) & (terms.age[columns] <= terms.most[rows][:, None])
    found &= (terms.age[rows][:, None] >= terms.least[columns]) & (terms.age[rows][:, None] <= terms.most[columns])
    return found


def tidy(numbers: Floats) -> Floats:
    """Log-odds within bounds; 0 where they are no numbers."""
    return np.nan_to_num(np.clip(numbers.astype(np.float32), -MOST_ODDS, MOST_ODDS))


def take_best(values: Floats, each: int) -> Pairs:
    """The best edges, one after the other, until nobody has another; `values` is used up.

    An edge that is the best of both its ends is the next of both, whatever else there is: all such edges are taken at once. Of
    equal edges the first row's counts, so at least one edge is taken each time.
    """
    count = len(values)
    room = np.full(count, each)
    best = np.argmax(values, axis=1) if count else np.zeros(0, np.int64)
    alive = np.arange(count)
    taken: list[tuple[Numbers, Numbers, Floats]] = []
    while len(alive := alive[(values[alive, best[alive]] > 0) & (room[best[alive]] > 0)]):
        one = alive[(best[best[alive]] == alive) & (alive < best[alive])]
        if not len(one):
            raise ValueError("the values of the two ends must be the same")
        other = best[one]
        taken.append((one, other, values[one, other]))
        values[one, other] = values[other, one] = 0
        np.subtract.at(room, np.concatenate((one, other)), 1)
        alive = alive[room[alive] > 0]
        stale = alive[(values[alive, best[alive]] == 0) | (room[best[alive]] == 0)]
        best[stale] = find_best(values, stale, (room > 0).astype(np.float32))
    if not taken:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    one, other, worth = (np.concatenate(column) for column in zip(*taken, strict=True))
    order = np.argsort(-worth, kind="stable")
    return Pairs(one[order], other[order], worth[order])


def find_best(values: Floats, rows: Numbers, there: Floats) -> Numbers:
    """The best partner of each row among those who are still `there` (1, else 0); by blocks, so that the copies stay small."""
    best = np.empty(len(rows), np.int64)
    for first in range(0, len(rows), BLOCK):
        part = slice(first, first + BLOCK)
        best[part] = np.argmax(values[rows[part]] * there, axis=1)
    return best
