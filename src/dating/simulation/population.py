"""People who do not exist, made by a seed, and how they behave. Nothing here knows how they are shown to each other.

Where the numbers come from (docs/discovery.md has the same list with the references):

* How people differ: a logistic model with a number for the viewer and one for the shown, fitted to both sides' decisions on
  4,184 real dates. Deviation of choosiness 1.12 (women) and 1.21 (men), of appeal 1.04 and 1.00; popular people are pickier:
  correlation of the two -.26 and -.30. Age gap -.041 a year, interests of both +.044 each. Ages as there.
* Taste, what is left between two people: deviation 1.3. With it the true probabilities find a match with an AUC of .85, and
  choosiness and appeal alone with .75, as on the real dates.
* How often people say yes on a screen: men 46 %, women 14 % (Tinder, 2014); others in between. The base rates are set so.
* 55 % men (use of dating services by gender, Pew 2023); 5 % look for their own gender, 4 % for everybody, 2 % are neither.
* How often and how long people look, how many matches they have time for, and how newcomers begin: assumptions, stated below.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FEMALE, MALE, NONBINARY = 1, 2, 4
DAYS = 28
AGE = (26.4, 3.6)  # mean and deviation
NEWCOMERS = 0.2  # of all; they join at any time of the first 25 days
TASTES = 8
INTERESTS, KEEN = 17, 5  # interests to choose from, and how many each person has
CHOOSINESS = {FEMALE: 1.12, MALE: 1.21, NONBINARY: 1.16}
APPEAL = {FEMALE: 1.04, MALE: 1.00, NONBINARY: 1.02}
PICKY = {FEMALE: -0.26, MALE: -0.30, NONBINARY: -0.28}
YES = {FEMALE: 0.14, MALE: 0.46, NONBINARY: 0.30}
TASTE = 1.3
AGE_GAP, SHARED_INTEREST = -0.041, 0.044
SESSIONS_A_DAY, SESSIONS_SPREAD = 0.5, 0.7  # median and deviation of the logarithm: a few look very often
SWIPES, SWIPES_SPREAD, MOST_SWIPES = 14, 0.5, 60  # the same for the length of a session
ROOM = (4, 10)  # matches a week for which somebody has time
FRESH_DAYS, FRESH_PACE = 3.0, 2.0  # newcomers look once on joining, and twice as often in their first three days


class Sessions(NamedTuple):
    """Everybody's sessions in the order of time: when (days), who, how many swipes."""

    time: Floats
    person: Integers
    swipes: Integers


class Population(NamedTuple):
    """One row for each person. Nobody but the person and this module knows what stands below `joined`."""

    gender: Integers
    seeks: Integers
    age: Integers
    min_age: Integers
    max_age: Integers
    interests: NDArray[np.float32]
    joined: Floats
    choosiness: Floats
    appeal: Floats
    wants: Floats
    offers: Floats
    room: Floats
    pace: Floats
    stamina: Floats
    seed: int

    def __len__(self) -> int:
        return len(self.gender)

    def shared_interests(self, person: int, others: Integers) -> Floats:
        """How many interests the person has in common with each of the others."""
        return np.asarray(self.interests[others] @ self.interests[person], float)

    def age_gap(self, person: int, others: Integers) -> Floats:
        """Years between the person and each of the others."""
        return np.asarray(np.abs(self.age[others] - self.age[person]), float)

    def likes_odds(self, person: int, others: Integers) -> Floats:
        """The true log-odds that the person likes each of the others."""
        odds: Floats = (
            self.similarity(person, others)
            + self.choosiness[person]
            + self.appeal[others]
            + self.offers[others] @ self.wants[person]
        )
        return odds

    def liked_odds(self, person: int, others: Integers) -> Floats:
        """The true log-odds that each of the others likes the person."""
        odds: Floats = (
            self.similarity(person, others)
            + self.choosiness[others]
            + self.appeal[person]
            + self.wants[others] @ self.offers[person]
        )
        return odds

    def similarity(self, person: int, others: Integers) -> Floats:
        """What age and interests add."""
        return AGE_GAP * self.age_gap(person, others) + SHARED_INTEREST * self.shared_interests(person, others)

    def decide(self, person: int, others: Integers) -> NDArray[np.bool_]:
        """What the person thinks of each of the others: for one seed always the same, whoever asks in whatever order."""
        likes: NDArray[np.bool_] = draw(self.seed, person, others) < 1 / (1 + np.exp(-self.likes_odds(person, others)))
        return likes

    def fits(self, person: int) -> NDArray[np.bool_]:
        """Who fits the person and whom the person fits: genders and ages, both ways."""
        theirs = (self.seeks & self.gender[person] > 0) & (self.min_age <= self.age[person]) & (self.max_age >= self.age[person])
        mine = (self.gender & self.seeks[person] > 0) & (self.age >= self.min_age[person]) & (self.age <= self.max_age[person])
        found: NDArray[np.bool_] = theirs & mine
        found[person] = False
        return found


def draw(seed: int, person: int, others: Integers) -> Floats:
    """A number between 0 and 1 for each pair, independent of every other (the finalizer of SplitMix64)."""
    mixed = others.astype(np.uint64) + np.uint64((person * 0x9E3779B97F4A7C15 + seed * 0xD1B54A32D192ED03) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed ^ (mixed >> np.uint64(31))).astype(float) / 2**64


def populate(count: int, seed: int) -> Population:
    """A population of `count` people; the same for the same seed."""
    dice = np.random.default_rng((seed, count))
    gender = dice.choice([FEMALE, MALE, NONBINARY], count, p=[0.43, 0.55, 0.02])
    age = np.clip(dice.normal(*AGE, count), 18, 60).astype(int)
    joined = np.where(dice.random(count) < NEWCOMERS, dice.uniform(0, DAYS - FRESH_DAYS, count), 0.0)
    choosiness, appeal = draw_characters(gender, dice)
    younger, older = draw_age_wishes(gender, dice)
    people = Population(
        gender=gender,
        seeks=draw_wishes(gender, dice),
        age=age,
        min_age=np.maximum(18, age - younger),
        max_age=age + older,
        interests=draw_interests(count, dice),
        joined=joined,
        choosiness=choosiness,
        appeal=appeal,
        wants=dice.normal(size=(count, TASTES)),
        offers=dice.normal(size=(count, TASTES)) * TASTE / np.sqrt(TASTES),
        room=dice.uniform(*ROOM, count),
        pace=SESSIONS_A_DAY * np.exp(dice.normal(0, SESSIONS_SPREAD, count)),
        stamina=SWIPES * np.exp(dice.normal(0, SWIPES_SPREAD, count)),
        seed=seed,
    )
    for bit, share in YES.items():
        people.choosiness[gender == bit] += find_base(people, np.flatnonzero(gender == bit), share, dice)
    return people


def draw_characters(gender: Integers, dice: np.random.Generator) -> tuple[Floats, Floats]:
    """Choosiness and appeal of each."""
    one, other = dice.normal(size=(2, len(gender)))
    picky = of_gender(gender, PICKY)
    appeal = picky * one + np.sqrt(1 - picky**2) * other
    return of_gender(gender, CHOOSINESS) * one, of_gender(gender, APPEAL) * appeal


def of_gender(gender: Integers, numbers: dict[int, float]) -> Floats:
    """The number of each one's gender."""
    return np.select([gender == bit for bit in numbers], list(numbers.values()))


def draw_wishes(gender: Integers, dice: np.random.Generator) -> Integers:
    """Genders that each looks for, as bits."""
    other = np.select([gender == FEMALE, gender == MALE], [MALE, FEMALE], NONBINARY | FEMALE | MALE)
    same = np.where(gender == NONBINARY, NONBINARY | FEMALE | MALE, gender)
    luck = dice.random(len(gender))
    return np.select([luck < 0.05, luck < 0.09], [same, np.full(len(gender), NONBINARY | FEMALE | MALE)], other)


def draw_age_wishes(gender: Integers, dice: np.random.Generator) -> tuple[Integers, Integers]:
    """How many years younger and older each accepts: men more of the younger, women more of the older."""
    near, far = dice.integers(2, 8, len(gender)), dice.integers(5, 16, len(gender))
    return np.where(gender == MALE, far, near), np.where(gender == MALE, near, far)


def draw_interests(count: int, dice: np.random.Generator) -> NDArray[np.float32]:
    """Which of all interests each has: a few, chosen by chance."""
    chosen = np.argsort(dice.random((count, INTERESTS)), axis=1)[:, :KEEN]
    interests = np.zeros((count, INTERESTS), np.float32)  # numbers that multiply fast
    np.put_along_axis(interests, chosen, 1, axis=1)
    return interests


def find_base(people: Population, group: Integers, share: float, dice: np.random.Generator) -> float:
    """The base with which these people say yes to that share of those who fit them."""
    sample = [(person, np.flatnonzero(people.fits(person))) for person in dice.permutation(group)[:300]]
    odds = [people.likes_odds(person, dice.permutation(others)[:100]) for person, others in sample if len(others)]
    all_odds = np.concatenate(odds) if odds else np.zeros(1)
    low, high = -20.0, 20.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if np.mean(1 / (1 + np.exp(-all_odds - middle))) > share else (middle, high)
    return low


def plan_sessions(people: Population) -> Sessions:
    """When everybody looks: at random, newcomers at once and more often at first."""
    dice = np.random.default_rng((people.seed, len(people), 1))
    time, person = [], []
    for number in range(len(people)):
        joined = people.joined[number]
        found = joined + dice.uniform(0, DAYS - joined, dice.poisson(people.pace[number] * (DAYS - joined)))
        if joined > 0:
            extra = dice.poisson(people.pace[number] * (FRESH_PACE - 1) * FRESH_DAYS)
            found = np.concatenate((found, [joined], joined + dice.uniform(0, FRESH_DAYS, extra)))
        time.append(found)
        person.append(np.full(len(found), number))
    times, persons = np.concatenate(time), np.concatenate(person)
    order = np.argsort(times, kind="stable")
    swipes = 1 + dice.poisson(np.maximum(people.stamina[persons] - 1, 0))
    return Sessions(times[order], persons[order], np.minimum(swipes, MOST_SWIPES)[order])
