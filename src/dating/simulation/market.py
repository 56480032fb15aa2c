"""Four weeks of one population under one policy: who was shown, who swiped how, who matched, what was learned.

This is the quick way, on arrays: the hard rules, the real ranking and the real learning, without a database. `served.py` is the
same over the real services.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dating.matching.ranking import DEFAULT, PRIOR, People, Viewer, Weights, gender_index, learn, pace, similarity
from dating.simulation.population import DAYS, Floats, Integers, Population, Sessions

FITS, SWIPED, PASSED, LIKES = 1, 2, 4, 8  # bits of what one person knows of another: row "me", column "them"
CANDIDATES = 400
LIKERS = 60
WEEK = 7


class Match(NamedTuple):
    """Two people who liked each other; `weight` is less than 1 where one of them had no time left (see `room_left`)."""

    time: float
    one: int
    other: int
    weight: float


class Page(NamedTuple):
    """What somebody was shown in one session, and whom they liked; `propensity` is 1 for who was not there by chance."""

    time: float
    viewer: int
    others: Integers
    propensity: Floats
    likes: NDArray[np.bool_]


class Outcome(NamedTuple):
    """What came of it."""

    people: Population
    swipes: int
    likes: int
    matches: list[Match]
    shown: Integers
    pages: list[Page]


class Weekly:
    """A count for each person over the last seven days."""

    def __init__(self, count: int) -> None:
        self.days = np.zeros((WEEK, count))
        self.week = np.zeros(count)

    def turn(self, day: int) -> None:
        """Begin a day: what was counted seven days ago counts no more."""
        self.week -= self.days[day % WEEK]
        self.days[day % WEEK] = 0

    def add(self, day: int, rows: Integers | int, amount: int = 1) -> None:
        """Count for different people."""
        self.days[day % WEEK, rows] += amount
        self.week[rows] += amount


class Market:
    """The state that a server would hold."""

    def __init__(self, people: Population, weights: Weights = DEFAULT) -> None:
        count = len(people)
        self.people, self.weights = people, weights
        self.known = np.stack([people.fits(person) for person in range(count)]).astype(np.uint8) * np.uint8(FITS)
        self.active = people.joined.copy()
        self.choosiness, self.choosiness_precision = np.zeros(count), np.full(count, PRIOR)
        self.appeal, self.appeal_precision = np.zeros(count), np.full(count, PRIOR)
        self.shown, self.swiped, self.matched = Weekly(count), Weekly(count), Weekly(count)
        self.ever_shown, self.liked = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.unanswered = np.zeros(count)
        self.matches: list[Match] = []
        self.swipes = self.likes = 0
        self.now, self.day = 0.0, 0

    def advance(self, now: float) -> None:
        """Let time pass until `now` (days)."""
        self.now = now
        while self.day < int(now):
            self.day += 1
            for count in (self.shown, self.swiped, self.matched):
                count.turn(self.day)

    def candidates(self, person: int, hide_passed: bool) -> Integers:
        """Who may be shown: those most recently active, and those who like the person; by the hard rules."""
        row = self.known[person]
        others = np.flatnonzero((row & (FITS | SWIPED | (PASSED if hide_passed else 0))) == FITS)
        others = others[self.people.joined[others] <= self.now]
        if len(others) <= CANDIDATES:
            return others
        recent = np.argpartition(-self.active[others], CANDIDATES)
        first, rest = others[recent[:CANDIDATES]], others[recent[CANDIDATES:]]
        if not hide_passed:
            return first
        return np.concatenate((first, rest[row[rest] & LIKES > 0][:LIKERS]))

    def viewer(self, person: int) -> Viewer:
        """The person as the ranking sees who looks."""
        return Viewer(int(self.people.gender[person]), self.choosiness[person], self.appeal[person])

    def describe(self, person: int, others: Integers) -> People:
        """The others as the ranking sees them."""
        people = self.people
        since = self.now - people.joined[others]
        return People(
            ids=others,
            gender=people.gender[others],
            choosiness=self.choosiness[others],
            appeal=self.appeal[others],
            appeal_precision=self.appeal_precision[others],
            shown=self.shown.week[others],
            ever_shown=self.ever_shown[others],
            joined_hours=np.where(people.joined[others] > 0, since * 24, np.inf),
            swipes_per_day=pace(self.swiped.week[others], since),
            unanswered=self.unanswered[others],
            matches=self.matched.week[others],
            likes_viewer=self.known[person, others] & LIKES,
            features=self.compare(person, others),
        )

    def compare(self, person: int, others: Integers) -> dict[str, Floats]:
        """The features of each pair."""
        people = self.people
        return {"shared_interests": people.shared_interests(person, others), "age_gap": people.age_gap(person, others)}

    def swipe(self, person: int, others: Integers, likes: NDArray[np.bool_]) -> None:
        """The person sees and swipes these."""
        before = self.known[person, others]
        awaited, answered = before & LIKES > 0, self.known[others, person] & SWIPED > 0
        self.known[person, others] |= SWIPED
        self.known[others, person] |= np.where(likes, LIKES, PASSED).astype(np.uint8)
        self.unanswered[person] -= awaited.sum()
        self.unanswered[others] += likes & ~answered
        self.shown.add(self.day, others)
        self.ever_shown[others] += 1
        self.liked[others] += likes
        self.swiped.add(self.day, person, len(others))
        self.swipes += len(others)
        self.likes += int(likes.sum())
        self.active[person] = self.now
        for other in others[likes & awaited]:
            self.match(person, int(other))

    def match(self, one: int, other: int) -> None:
        """A match, discounted by the room that each has."""
        weight = room_left(self.people.room[one], self.matched.week[one]) * room_left(
            self.people.room[other], self.matched.week[other]
        )
        self.matches.append(Match(self.now, one, other, weight))
        self.matched.add(self.day, np.array([one, other]))

    def teach(self, person: int, others: Integers, likes: NDArray[np.bool_]) -> None:
        """One lesson for each swipe, in order."""
        s, precision = float(self.choosiness[person]), float(self.choosiness_precision[person])
        lessons = []
        rows = zip(likes.tolist(), self.expect(person, others).tolist(), self.appeal_precision[others].tolist(), strict=True)
        for liked, odds, appeal_precision in rows:
            lessons.append(lesson := learn(liked, s + odds, precision, appeal_precision))
            s, precision = s + lesson.choosiness, precision + lesson.choosiness_precision
        self.choosiness[person], self.choosiness_precision[person] = s, precision
        self.appeal[others] += [lesson.appeal for lesson in lessons]
        self.appeal_precision[others] += [lesson.appeal_precision for lesson in lessons]

    def expect(self, person: int, others: Integers) -> Floats:
        """The log-odds that the person likes each of them, without the person's choosiness."""
        pairs = People(others, features=self.compare(person, others))
        base = np.asarray(self.weights.base)[gender_index(self.people.gender[person]), gender_index(self.people.gender[others])]
        return np.asarray(base + self.appeal[others] + similarity(pairs, self.weights))


def room_left(room: float, matches: float) -> float:
    """How much of somebody's attention another match gets, when they have time for `room` a week and got `matches`."""
    return min(1.0, room / (matches + 1))


class Policy(NamedTuple):
    """Whom to show to a person, at most so many: rows in order, and the propensity of those by chance (1 for the rest)."""

    show: Callable[[Market, int, int, np.random.Generator], tuple[Integers, Floats]]
    learns: bool  # whether it uses what is learned from swipes


def play(people: Population, sessions: Sessions, policy: Policy, step: Callable[[float], None] = lambda day: None) -> Outcome:
    """Four weeks of it. `step` hears the time in days now and then."""
    market, dice = Market(people), np.random.default_rng((people.seed, 2))
    pages: list[Page] = []
    for number, (time, person, swipes) in enumerate(zip(*map(np.ndarray.tolist, sessions), strict=True)):
        market.advance(time)
        others, propensity = policy.show(market, person, swipes, dice)
        if len(others):
            likes = people.decide(person, others)
            if policy.learns:
                market.teach(person, others, likes)
            market.swipe(person, others, likes)
            pages.append(Page(time, person, others, propensity, likes))
        if number % 500 == 0:
            step(time)
    step(float(DAYS))
    return Outcome(people, market.swipes, market.likes, market.matches, market.ever_shown, pages)
