"""Guesses how likely each date was to become a match, made without having seen it.

What is true of everybody (how often people say yes, what profiles and score cards mean) is learned from the other evenings.
What is true of one person is learned from the person's other dates of the same evening: the dates of an evening are cut into ten
parts, and each part is guessed from the nine others. The two features of the server's ranking are left out of `ours`: their
weights were fitted to these very dates.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np

from dating.evaluation.dates import Dates, Floats, Integers
from dating.matching.ranking import PRIOR, Viewer, Weights, expect, learn

PARTS = 10
FEMALE, MALE = 1, 2
RIDGE = 30.0  # keeps 40 coefficients sober on a few thousand dates
STEPS = 12


def guess_ours(dates: Dates, dice: np.random.Generator) -> Floats:
    """The product of both sides' probabilities, learned swipe by swipe as on the server."""
    guesses = np.zeros(len(dates.evening))
    for evening in np.unique(dates.evening):
        weights = Weights(base=find_base(dates, dates.evening != evening))
        for known, asked in cut(np.flatnonzero(dates.evening == evening), dice):
            taught = Taught(weights)
            for date in known:
                man, woman = int(dates.man[date]), int(dates.woman[date])
                taught.swipe(man, MALE, woman, FEMALE, bool(dates.man_likes[date]))
                taught.swipe(woman, FEMALE, man, MALE, bool(dates.woman_likes[date]))
            guesses[asked] = [taught.guess(int(dates.man[date]), int(dates.woman[date])) for date in asked]
    return guesses


class Taught:
    """What swipes have told of people."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.choosiness: dict[int, tuple[float, float]] = defaultdict(lambda: (0.0, PRIOR))
        self.appeal: dict[int, tuple[float, float]] = defaultdict(lambda: (0.0, PRIOR))

    def expect(self, viewer: int, gender: int, shown: int, other_gender: int) -> float:
        """The log-odds that one likes the other."""
        seen = Viewer(other_gender, appeal=self.appeal[shown][0])
        return expect(Viewer(gender, self.choosiness[viewer][0]), seen, weights=self.weights)

    def swipe(self, viewer: int, gender: int, shown: int, other_gender: int, liked: bool) -> None:
        """Learn from one decision."""
        (s, s_precision), (q, q_precision) = self.choosiness[viewer], self.appeal[shown]
        lesson = learn(liked, self.expect(viewer, gender, shown, other_gender), s_precision, q_precision)
        self.choosiness[viewer] = (s + lesson.choosiness, s_precision + lesson.choosiness_precision)
        self.appeal[shown] = (q + lesson.appeal, q_precision + lesson.appeal_precision)

    def guess(self, man: int, woman: int) -> float:
        """The probability that both like each other."""
        odds = np.array([self.expect(man, MALE, woman, FEMALE), self.expect(woman, FEMALE, man, MALE)])
        return float(np.prod(sigmoid(odds)))


def find_base(dates: Dates, rows: Floats) -> tuple[tuple[float, ...], ...]:
    """The log-odds of women's and men's yes on these dates, in the form of the weights."""
    women, men = (np.log(share / (1 - share)) for share in (dates.woman_likes[rows].mean(), dates.man_likes[rows].mean()))
    return ((float(women),) * 4, (float(men),) * 4, (0.0,) * 4, (0.0,) * 4)


def cut(rows: Integers, dice: np.random.Generator) -> Iterator[tuple[Integers, Integers]]:
    """For each part what is known, all the others in the order of the table, and what is asked."""
    parts = np.array_split(dice.permutation(rows), PARTS)
    for number, asked in enumerate(parts):
        yield np.sort(np.concatenate(parts[:number] + parts[number + 1 :])), asked


def guess_by_popularity(dates: Dates, dice: np.random.Generator) -> Floats:
    """How often each was liked on the other dates, one times the other: what most scores amount to."""
    guesses = np.zeros(len(dates.evening))
    for evening in np.unique(dates.evening):
        for known, asked in cut(np.flatnonzero(dates.evening == evening), dice):
            woman_liked = rates(dates.woman[known], dates.man_likes[known])
            man_liked = rates(dates.man[known], dates.woman_likes[known])
            guesses[asked] = [man_liked[dates.man[date]] * woman_liked[dates.woman[date]] for date in asked]
    return guesses


def rates(people: Integers, liked: Integers) -> dict[int, float]:
    """The share of yeses that each got, with one yes of two and a half added."""
    counts: dict[int, list[float]] = defaultdict(lambda: [1.0, 2.5])
    for person, yes in zip(people.tolist(), liked.tolist(), strict=True):
        counts[person][0] += yes
        counts[person][1] += 1
    found: dict[int, float] = defaultdict(lambda: 0.4)
    found.update({person: yes / total for person, (yes, total) in counts.items()})
    return found


def guess_by_similarity(dates: Dates, dice: np.random.Generator) -> Floats:
    """How alike their interests are."""
    return dates.similarity


def guess_by_profiles(dates: Dates, dice: np.random.Generator) -> Floats:
    """Both sides' decisions from both profiles, without race and religion."""
    both = np.hstack((dates.man_profile, dates.woman_profile, dates.similarity[:, None]))
    return guess_by_regression(dates, both, both)


def guess_by_cards(dates: Dates, dice: np.random.Generator) -> Floats:
    """The ceiling: from what each wrote of the other after the date. No use for predicting."""
    return guess_by_regression(dates, dates.man_card, dates.woman_card)


def guess_by_regression(dates: Dates, of_man: Floats, of_woman: Floats) -> Floats:
    """The product of two logistic regressions fitted on the other evenings."""
    guesses = np.zeros(len(dates.evening))
    for evening in np.unique(dates.evening):
        here = dates.evening == evening
        sides = ((of_man, dates.man_likes), (of_woman, dates.woman_likes))
        chances = [sigmoid(with_one(x[here]) @ fit(x[~here], likes[~here])) for x, likes in sides]
        guesses[here] = chances[0] * chances[1]
    return guesses


def fit(x: Floats, likes: Integers) -> Floats:
    """The coefficients of a logistic regression with a ridge, the constant first; by Newton's method."""
    x = with_one(x)
    penalty = np.full(x.shape[1], RIDGE)
    penalty[0] = 0.0
    found = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = sigmoid(x @ found)
        curvature = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty + 1e-6)
        found += np.linalg.solve(curvature, x.T @ (likes - p) - penalty * found)
    return found


def with_one(x: Floats) -> Floats:
    return np.hstack((np.ones((len(x), 1)), x))


def sigmoid(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


Predictor = Callable[[Dates, np.random.Generator], Floats]
PREDICTORS: dict[str, Predictor] = {
    "ours": guess_ours,
    "popularity": guess_by_popularity,
    "profiles alone": guess_by_profiles,
    "similarity of interests": guess_by_similarity,
    "ceiling: score cards written after the date": guess_by_cards,
}
