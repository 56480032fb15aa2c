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
BLOCK = 250  # rows and columns computed at once
TOPICS = 64  # interests that are compared: the commonest of the pool
MOST_ODDS = 10.0  # log-odds of one term: the products of all stay finite
BONUS = 2.0  # for whoever had no good pick lately; a power of two, so that it can be taken out again to the last bit
EDGES = 200_000  # sorted at once; ten times as many where they are equal
SAMPLE = 60_000  # edges from which is guessed how good the best are
STRIDE = 4000  # edges looked at before those of people without a place are dropped


class Pool(NamedTuple):
    """People, one row each. `gender` and `seeks` are bits, the same in both; `kind` is the gender's row of `Weights.base`.

    `age` is NaN where it was not said; `any_age` says that the person has no rule about it. `place` are unit vectors, NaN where
    unknown; `reach` is the cosine of the farthest that the person accepts, -inf for no rule. `topics` is one column for each
    interest, `TOPICS` at most, above 0 for whoever has it. `lonely`: no good pick lately.
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
    bonus = np.where(shuffled.lonely, np.float32(BONUS), np.float32(1))
    values = value(shuffled, weights, bonus)
    if len(apart):
        ends = np.sort(place[apart], axis=1)
        values[ends[:, 0], ends[:, 1]] = 0
    found = take_best(values, each)
    raw = found.value / (bonus[found.one] * bonus[found.other])
    return Pairs(order[found.one], order[found.other], raw)


def value(pool: Pool, weights: Weights, bonus: Floats | None = None) -> Floats:
    """p_ij · p_ji, times the bonus of both, of every pair i < j; 0 where either does not fit the other's rules, and elsewhere."""
    count = len(pool.ids)
    values = np.zeros((count, count), np.float32)
    terms = make_terms(pool, weights)
    for first in range(0, count, BLOCK):
        for second in range(first, count, BLOCK):
            rows, columns = slice(first, first + BLOCK), slice(second, second + BLOCK)
            block = multiply(pool, terms, rows, columns, weights)
            block *= fit(pool, terms, rows, columns)
            if bonus is not None:
                block *= bonus[rows][:, None]
                block *= bonus[columns]
            values[rows, columns] = np.triu(block, 1) if first == second else block
    return values


class Terms(NamedTuple):
    """What each person brings into a pair, made so that a block is sums, products and comparisons alone.

    `base`, `choosiness` and `appeal` are exp(-x) of log-odds; `topics` has a bit for each interest. `place` is 0, 0, 0 where it
    is not known. No matrix products: on a busy machine their threads wait for each other for longer than all of this takes.
    """

    base: Floats
    choosiness: Floats
    appeal: Floats
    years: Floats
    age: Floats
    least: Floats
    most: Floats
    topics: NDArray[np.uint64]
    place: NDArray[np.float64]
    lost: NDArray[np.bool_]


def make_terms(pool: Pool, weights: Weights) -> Terms:
    """The terms of a pool."""
    lost: NDArray[np.bool_] = np.asarray(np.isnan(pool.place).any(axis=1))
    said: NDArray[np.bool_] = np.asarray(~np.isnan(pool.age))
    bits = np.zeros((len(pool.ids), TOPICS), np.uint8)
    bits[:, : pool.topics.shape[1]] = pool.topics > 0
    return Terms(
        base=np.exp(-np.asarray(weights.base, np.float32)),
        choosiness=np.exp(-tidy(pool.choosiness)),
        appeal=np.exp(-tidy(pool.appeal)),
        years=np.where(said, pool.age, np.float32(pool.age[said].mean() if said.any() else 0)),
        age=np.where(said, pool.age, np.float32(-1)),
        least=np.where(pool.any_age, np.float32(-np.inf), pool.min_age),
        most=np.where(pool.any_age, np.float32(np.inf), pool.max_age),
        topics=np.packbits(bits, axis=1).view(np.uint64)[:, 0],
        place=np.where(lost[:, None], 0.0, pool.place),
        lost=lost,
    )


def multiply(pool: Pool, terms: Terms, rows: slice, columns: slice, weights: Weights) -> Floats:
    """p_ij · p_ji of a block: 1 / (1 + exp(-odds_ij)) / (1 + exp(-odds_ji))."""
    shared_topics = np.bitwise_count(np.bitwise_and.outer(terms.topics[rows], terms.topics[columns]))
    alike = shared_topics * np.float32(weights.shared_interests)
    gap = np.subtract.outer(terms.years[rows], terms.years[columns])
    alike += np.abs(gap, out=gap) * np.float32(weights.age_gap)
    shared = np.exp(-np.clip(alike, -MOST_ODDS, MOST_ODDS, out=alike))
    mine, theirs = pool.kind[rows], pool.kind[columns]
    there = (terms.base[:, theirs] * terms.appeal[columns])[mine]
    there *= terms.choosiness[rows][:, None]
    there *= shared
    back = (terms.base.T[:, theirs] * terms.choosiness[columns])[mine]
    back *= terms.appeal[rows][:, None]
    back *= shared
    there += 1
    back += 1
    there *= back
    chance: Floats = np.reciprocal(there, out=there)
    return chance


def fit(pool: Pool, terms: Terms, rows: slice, columns: slice) -> NDArray[np.bool_]:
    """Which pairs of a block fit each other's rules. What is not said fits only where there is no rule about it."""
    found: NDArray[np.bool_] = np.bitwise_and.outer(pool.seeks[rows], pool.gender[columns]) != 0
    found &= np.bitwise_and.outer(pool.gender[rows], pool.seeks[columns]) != 0
    cosine = measure(terms, rows, columns)
    found &= cosine >= pool.reach[rows][:, None]
    found &= cosine >= pool.reach[columns]
    found &= (terms.age[columns] >= terms.least[rows][:, None]) & (terms.age[columns] <= terms.most[rows][:, None])
    found &= (terms.age[rows][:, None] >= terms.least[columns]) & (terms.age[rows][:, None] <= terms.most[columns])
    return found


def measure(terms: Terms, rows: slice, columns: slice) -> NDArray[np.float64]:
    """The cosines between the places of a block; -3, which is within no reach, where either is not known."""
    cosine = np.zeros((len(terms.lost[rows]), len(terms.lost[columns])))
    for axis in range(3):
        cosine += np.multiply.outer(terms.place[rows, axis], terms.place[columns, axis])
    cosine[terms.lost[rows]] = -3
    cosine[:, terms.lost[columns]] = -3
    return cosine


def tidy(numbers: Floats) -> Floats:
    """Log-odds within bounds; 0 where they are no numbers."""
    return np.nan_to_num(np.clip(numbers.astype(np.float32), -MOST_ODDS, MOST_ODDS))


def take_best(values: Floats, each: int, at_once: int = EDGES) -> Pairs:
    """The best edges, one after the other, until nobody has another; `values` (of i < j) is used up.

    Of equal edges that of the first row comes first, then that of the first column. They are taken in bands: about `at_once` of
    the best that are left, sorted; then whoever has no place left is cut out, and with them most of what is left.
    """
    room = np.full(len(values), each)
    alive = np.arange(len(values))
    taken = [Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))]
    while len(edges := list_best(values, at_once)):
        one, other = np.divmod(edges, len(alive))
        found = np.array(walk(one, other, room), np.int64)
        one, other = one[found], other[found]
        taken.append(Pairs(alive[one], alive[other], values[one, other]))
        values[one, other] = 0
        left = room > 0
        alive, room = alive[left], room[left]
        values = values[np.ix_(left, left)]
    return Pairs(*map(np.concatenate, zip(*taken, strict=True)))


def list_best(values: Floats, at_once: int) -> Numbers:
    """The places of about `at_once` best edges in the flat array, the best first, equals by place; all, if they are few."""
    flat = values.reshape(-1)
    step = len(flat) // SAMPLE | 1
    sample = flat[::step]
    sample = sample[sample > 0]
    rank = at_once // step
    floor = np.partition(sample, -rank - 1)[-rank - 1] if rank < len(sample) else np.float32(0)
    edges = np.flatnonzero(flat >= floor if floor > 0 else flat > 0)
    if len(edges) > 10 * at_once:  # too many are as good as the last one
        better = flat[edges] > floor
        edges = np.concatenate((edges[better], edges[~better][: 10 * at_once]))
    return edges[np.argsort(-flat[edges], kind="stable")]


def walk(one: Numbers, other: Numbers, room: Numbers) -> list[int]:
    """Which of the edges are taken when they come in this order; `room` is what is left of everybody's places."""
    found: list[int] = []
    for first in range(0, len(one), STRIDE):
        part = slice(first, first + STRIDE)
        possible = np.flatnonzero((room[one[part]] > 0) & (room[other[part]] > 0)) + first
        places = room.tolist()
        for edge, low, high in zip(possible.tolist(), one[possible].tolist(), other[possible].tolist(), strict=True):
            if places[low] and places[high]:
                places[low] -= 1
                places[high] -= 1
                found.append(edge)
        room[:] = places
    return found
