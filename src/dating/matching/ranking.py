"""Who is shown first: the score of a pair, the choice of a page and what a swipe teaches. Arrays in, arrays out; no database, no
clock, no settings, no global state. The formula with its reasons for people to read is docs/discovery.md.

    p_ij  = sigmoid(base[g_i, g_j] + s_i + q_j + w·x_ij)                                       i likes j
    score = log p_ij + (0 if j likes i else log p_ji + log serve_j) + log room_j - fairness · log(1 + shown_j / mean shown)
    serve_j = min(1, serve · swipes a day_j / (unanswered likes_j + 1))                        my like will be seen
    room_j  = min(1, room / (matches in 7 days_j + 1))                                         there is time for another match

`s` is choosiness (high: likes many), `q` appeal (high: liked by many); in p_ij the appeal is taken `optimism` standard deviations
above its mean, so that who is not known yet is tried. Natural logarithms throughout.

What the caller keeps for each person, all with a default that says "unknown":

    choosiness, choosiness_precision    s and P_s; 0 and PRIOR at first; add what `learn` answers, in the transaction of the swipe
    appeal, appeal_precision            q and P_q; the same
    shown                               impressions of the last 7 days
    ever_shown                          impressions since joining (no need to count beyond `first_impressions`)
    joined_hours                        hours since joining
    swipes_per_day                      `pace` of the last 7 days, or of the days since joining if fewer
    unanswered                          likes received that await a swipe
    matches                             matches of the last 7 days

Never an input: race, religion, health, income, subscription, anything paid.

Any column may be missing, and any number may be absurd (NaN, infinite, negative durations after a clock went back): it counts as
unknown or is brought to its bounds. A score is always finite. The same arguments give the same page.
"""

import math
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]
Column = NDArray[Any] | None

PRIOR = 1.0
"""Precision (1 / variance) of s and q before the first swipe: both had a deviation of 1.0 to 1.2 on 4,184 real dates."""

FLOOR = 1e-3  # least factor of a score: nobody sinks out of sight for good
BOUND = 20.0  # largest log-odds: beyond it a probability is 0 or 1 for every purpose
FEATURES = ("shared_interests", "age_gap")
HUGE = 1e9  # larger counts mean the same
USUAL_SWIPES = 5.0  # a day, of somebody just met
PACE_DAYS = 7.0
GENDER_INDEX = np.array([3, 0, 1, 3, 2, 3, 3, 3, 3])


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be tuned; each but `base` is a setting `ranking_…`, which has its bounds (`weights.read_weights`).

    `base` is the log-odds that somebody likes a person of whom nothing is known, by gender of the viewer (row) and of the shown
    (column), each in the order female, male, non-binary, other.
    """

    fairness: float = 3.0  # how strongly exposure counts against further exposure; 0 not at all; see decision 29
    serve: float = 3.0  # days of swiping that may pass until a like is seen without counting against it
    room: float = 7.0  # matches a week for which somebody has time
    optimism: float = 0.5  # standard deviations added to an appeal
    random_share: float = 0.05  # of the slots, filled by chance and logged with the chance
    first_impressions: int = 10  # up to which a newcomer has slots kept
    first_hours: float = 48.0  # within this time after joining
    newcomer_share: float = 0.2  # of the slots, at most, kept for newcomers who lack impressions
    shared_interests: float = 0.044  # log-odds for each interest of both
    age_gap: float = -0.041  # log-odds for each year between them
    base: tuple[tuple[float, ...], ...] = ((-0.7,) * 4, (-0.1,) * 4, (-0.4,) * 4, (-0.4,) * 4)


DEFAULT = Weights()


class Viewer(NamedTuple):
    """Who looks. `gender` is one bit: 1 female, 2 male, 4 non-binary, 8 other."""

    gender: int = 8
    choosiness: float = 0.0
    appeal: float = 0.0


class People(NamedTuple):
    """Who may be shown: one row each, one array per column, all as long as `ids`. None: not known of anybody.

    `gender` holds bits as in `Viewer`; `likes_viewer` says who awaits the viewer's answer; `features` has columns by the names in
    `FEATURES`; `mean_shown` is the mean of `shown` in the viewer's surroundings, by default that of these people.
    """

    ids: NDArray[np.int64]
    gender: Column = None
    choosiness: Column = None
    appeal: Column = None
    appeal_precision: Column = None
    shown: Column = None
    ever_shown: Column = None
    joined_hours: Column = None
    swipes_per_day: Column = None
    unanswered: Column = None
    matches: Column = None
    likes_viewer: Column = None
    features: Mapping[str, NDArray[Any]] = {}
    mean_shown: float | None = None


class Kind(IntEnum):
    """Why somebody is in a slot."""

    RANKED = 0
    RANDOM = 1
    NEWCOMER = 2
    BOOSTED = 3


class Page(NamedTuple):
    """Rows of `People` in the order to show them, why each is there, and the propensity: 1 for who was not drawn by chance."""

    rows: Indexes
    kinds: NDArray[np.int8]
    propensity: Floats


class Lesson(NamedTuple):
    """What to add to the viewer's s and P_s and to the shown person's q and P_q."""

    choosiness: float
    choosiness_precision: float
    appeal: float
    appeal_precision: float


# --- the score ----------------------------------------------------------------------------------------------------------------


def score(viewer: Viewer, people: People, weights: Weights = DEFAULT) -> Floats:
    """How good it is to show each of them now; finite, higher is better."""
    likes, back = log_odds(viewer, people, weights)
    seen = log_factor(weights.serve * tidy(people, "swipes_per_day", USUAL_SWIPES) / (tidy(people, "unanswered") + 1))
    room = log_factor(weights.room / (tidy(people, "matches") + 1))
    returned = np.where(tidy(people, "likes_viewer") > 0, 0.0, log_sigmoid(back) + seen)
    return log_sigmoid(likes) + returned + room - weights.fairness * np.log1p(relative_exposure(people))


def log_odds(viewer: Viewer, people: People, weights: Weights) -> tuple[Floats, Floats]:
    """The log-odds that the viewer likes each of them, and that each likes the viewer."""
    base = np.asarray(weights.base)
    mine, theirs = gender_index(viewer.gender), gender_index(tidy(people, "gender", 8.0))
    shared = similarity(people, weights)
    deviation = 1 / np.sqrt(np.maximum(tidy(people, "appeal_precision", PRIOR), FLOOR))
    appeal = tidy(people, "appeal", least=-BOUND) + weights.optimism * deviation
    likes = base[mine, theirs] + finite(viewer.choosiness) + appeal + shared
    back = base[theirs, mine] + tidy(people, "choosiness", least=-BOUND) + finite(viewer.appeal) + shared
    return likes, back


def similarity(people: People, weights: Weights) -> Floats:
    """w·x: what the features of each pair say; a feature that is missing or unknown says nothing."""
    total = np.zeros(len(people.ids))
    for name in FEATURES:
        column = people.features.get(name)
        if column is not None:
            total += getattr(weights, name) * known(np.asarray(column, float), 0.0)
    return bounded(total, -BOUND, BOUND)


def pace(swipes: Floats, days: Floats) -> Floats:
    """Swipes a day of people who swiped so often in the last days, at most 7, as if one usual day had been seen before those.

    So a newcomer is one who will look, and not somebody who never does; and a week of silence still says something.
    """
    found: Floats = (swipes + USUAL_SWIPES) / (bounded(days, 0.0, PACE_DAYS) + 1)
    return found


def relative_exposure(people: People) -> Floats:
    """How often each was shown, as a multiple of the mean."""
    shown = tidy(people, "shown")
    mean = people.mean_shown
    if mean is None or not math.isfinite(mean) or mean <= 0:
        mean = float(shown.mean()) if len(shown) else 0.0
    return shown / max(mean, FLOOR)


def tidy(people: People, name: str, unknown: float = 0.0, least: float = 0.0) -> Floats:
    """A column with every number between `least` and a bound; what is missing or not a number is `unknown`."""
    column = getattr(people, name)
    if column is None:
        return np.full(len(people.ids), unknown)
    return known(bounded(np.asarray(column, float), least, HUGE if least == 0 else -least), unknown)


def known(values: Floats, unknown: float) -> Floats:
    """The values, with `unknown` in the place of what is infinite or not a number."""
    sound = np.isfinite(values)
    return values if sound.all() else np.where(sound, values, unknown)


def bounded(values: Floats, least: float, most: float) -> Floats:
    """What np.clip says, at a third of its cost for a few hundred numbers. NaN stays."""
    return np.minimum(np.maximum(values, least), most)


def finite(value: float) -> float:
    """A log-odds within bounds; 0 if it is not a number."""
    return 0.0 if math.isnan(value) else min(max(value, -BOUND), BOUND)


def gender_index(bits: Any) -> Any:
    """The row of `base` for a gender's bit (or an array of them); other for what is none."""
    return GENDER_INDEX[bounded(np.asarray(bits), 0, 8).astype(np.int64)]


def log_factor(ratio: Floats) -> Floats:
    """log min(1, ratio), not below the floor."""
    clipped: Floats = np.log(bounded(ratio, FLOOR, 1.0))
    return clipped


def log_sigmoid(odds: Floats) -> Floats:
    """log(1 / (1 + exp(-odds))) for odds within bounds."""
    value: Floats = -np.log1p(np.exp(-bounded(odds, -BOUND, BOUND)))
    return value


# --- the page -----------------------------------------------------------------------------------------------------------------


def choose(people: People, scores: Floats, size: int, dice: np.random.Generator, weights: Weights = DEFAULT) -> Page:
    """At most `size` of them: the best, with a share of slots by chance and a share for newcomers in places by chance.

    Who is there by chance was drawn among everybody given before anything else was looked at: the propensity is 1 / how many.
    """
    return next(deal(people, scores, size, dice, weights), Page(np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0)))


def deal(people: People, scores: Floats, size: int, dice: np.random.Generator, weights: Weights = DEFAULT) -> Iterator[Page]:
    """One such page after the other, each of those whom the pages before have left, until nobody is left."""
    order = sort(people, known(np.asarray(scores, float), -HUGE))
    newcomers = find_newcomers(people, order, weights)
    kind = np.zeros(len(order), np.int8)
    dealt = np.zeros(len(order), np.bool_)
    left = np.arange(len(order))
    while (count := len(left)) and size > 0:
        size = min(size, count)
        drawn = left[dice.permutation(count)[: min(size, int(size * weights.random_share + dice.random()))]]
        kind[newcomers[: math.ceil(size * weights.newcomer_share)]] = Kind.NEWCOMER
        kind[drawn] = Kind.RANDOM
        ordered = kind[order]
        placed = np.concatenate((drawn, order[ordered == Kind.NEWCOMER]))[:size]
        rows = np.empty(size, np.int64)
        places = dice.permutation(size)
        rows[places[: len(placed)]] = placed
        rows[np.sort(places[len(placed) :])] = order[ordered == Kind.RANKED][: size - len(placed)]
        kinds = kind[rows]
        yield Page(rows, kinds, np.where(kinds == Kind.RANDOM, 1 / count, 1.0))
        dealt[rows] = True
        kind[:] = Kind.RANKED
        order, newcomers, left = (some[~dealt[some]] for some in (order, newcomers, left))


def sort(people: People, scores: Floats) -> Indexes:
    """The best first; equal scores by fewer impressions, then by id."""
    order = np.argsort(-scores, kind="stable")
    if (np.diff(scores[order]) == 0).any():
        order = np.lexsort((people.ids, tidy(people, "shown"), -scores))
    return order


def find_newcomers(people: People, order: Indexes, weights: Weights) -> Indexes:
    """Rows of those who joined lately and lack impressions: whose time ends first, then who lacks most, then the best."""
    if people.joined_hours is None:
        return np.zeros(0, np.int64)
    joined, shown = tidy(people, "joined_hours", HUGE), tidy(people, "ever_shown")
    lacking = (joined < weights.first_hours) & (shown < weights.first_impressions)
    found = order[lacking[order]]
    ordered: Indexes = found[np.lexsort((shown[found], -joined[found]))]
    return ordered


# --- learning -----------------------------------------------------------------------------------------------------------------


def learn(liked: bool, odds: float, choosiness_precision: float = PRIOR, appeal_precision: float = PRIOR) -> Lesson:
    """One swipe: a step of Newton's method for each number, as long as the number is uncertain.

    `odds` are the log-odds of `expect` before the swipe. The answer is what to add, so that two swipes at the same moment both
    count. With a precision that cannot be one, the prior holds.
    """
    p = 1 / (1 + math.exp(-finite(odds)))
    error, information = liked - p, p * (1 - p)
    steps = [error / (sane(precision) + information) for precision in (choosiness_precision, appeal_precision)]
    return Lesson(steps[0], information, steps[1], information)


def expect(viewer: Viewer, shown: Viewer, features: Mapping[str, float] | None = None, weights: Weights = DEFAULT) -> float:
    """The log-odds that the viewer likes the shown person, without optimism. `shown` gives gender and appeal."""
    base = weights.base[int(gender_index(viewer.gender))][int(gender_index(shown.gender))]
    said = [getattr(weights, name) * value for name, value in (features or {}).items() if name in FEATURES]
    return finite(base + finite(viewer.choosiness) + finite(shown.appeal) + sum(map(finite, said)))


def sane(precision: float) -> float:
    """A precision that can be one; the prior in its place otherwise."""
    return precision if math.isfinite(precision) and precision > 0 else PRIOR
