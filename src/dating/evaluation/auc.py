"""How well guesses tell matches from the rest: the area under the curve, with an interval by resampling whole evenings."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from dating.evaluation.dates import Floats, Integers

RESAMPLES = 1000


class Area(msgspec.Struct, frozen=True):
    """The chance that a match was guessed likelier than a date that was none (.5 is blind chance), with its 95 % interval."""

    auc: float
    low: float
    high: float


def area(matched: NDArray[np.bool_], guesses: Floats) -> float:
    """The area under the curve; ties count half. 0.5 where all ended alike."""
    positives = int(matched.sum())
    negatives = len(matched) - positives
    if not positives or not negatives:
        return 0.5
    _, place, counts = np.unique(guesses, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[place][matched].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def measure(evening: Integers, matched: NDArray[np.bool_], guesses: Floats, dice: np.random.Generator) -> Area:
    """The area over all dates. People of one evening have met each other, so evenings are resampled whole."""
    evenings = np.unique(evening)
    rows = [np.flatnonzero(evening == one) for one in evenings]
    samples = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([rows[one] for one in dice.integers(len(evenings), size=len(evenings))])
        samples.append(area(matched[chosen], guesses[chosen]))
    low, high = np.percentile(samples, [2.5, 97.5])
    return Area(area(matched, guesses), float(low), float(high))
