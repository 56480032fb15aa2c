"""What is measured on an outcome, and how sure it is over several seeds."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from dating.simulation.market import Outcome
from dating.simulation.population import DAYS, FRESH_DAYS, Floats

GRID = 50  # points of a Lorenz curve
T_975 = (math.inf, 12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)  # Student's t by degrees of freedom
Z_975 = 1.959964


class Interval(msgspec.Struct, frozen=True):
    """A mean over seeds and where it lies with 95 % confidence; without bounds for one seed."""

    mean: float
    low: float | None = None
    high: float | None = None


class Figures(msgspec.Struct, frozen=True):
    """One run. Curves: matches of a person by day; share of impressions of the least shown share; matched newcomers by day."""

    matches_per_100_swipes: float
    effective_matches: float
    nobody: float
    exposure_gini: float
    newcomers_matched: float
    like_rate: float
    swipes: float
    matches_by_day: list[float]
    lorenz: list[float]
    newcomers_by_day: list[float]


NUMBERS = [name for name in Figures.__struct_fields__ if not name.endswith("_day") and name != "lorenz"]
CURVES = [name for name in Figures.__struct_fields__ if name not in NUMBERS]


def measure(outcome: Outcome) -> Figures:
    """The figures of one run. Effective matches are discounted where a side has no time left for another one."""
    people, count = outcome.people, len(outcome.people)
    both = [(person, match) for match in outcome.matches for person in (match.one, match.other)]
    first = np.full(count, math.inf)
    np.minimum.at(first, [person for person, _ in both], [match.time for _, match in both])
    newcomers = people.joined > 0
    waited = (first - people.joined)[newcomers]
    present = DAYS - people.joined
    exposure = np.sort((outcome.shown / present)[present >= FRESH_DAYS])
    times = np.sort([match.time for match in outcome.matches])
    return Figures(
        matches_per_100_swipes=100 * len(outcome.matches) / max(outcome.swipes, 1),
        effective_matches=float(2 * sum(match.weight for match in outcome.matches) / count),
        nobody=float(np.isinf(first).mean()),
        exposure_gini=gini(exposure),
        newcomers_matched=float((waited <= FRESH_DAYS).mean()) if len(waited) else 0.0,
        like_rate=outcome.likes / max(outcome.swipes, 1),
        swipes=outcome.swipes / count,
        matches_by_day=[2 * int(np.searchsorted(times, day)) / count for day in range(DAYS + 1)],
        lorenz=lorenz(exposure),
        newcomers_by_day=[float((waited <= day).mean()) if len(waited) else 0.0 for day in range(15)],
    )


def gini(values: Floats) -> float:
    """How unequal sorted values are: 0 all the same, near 1 one has everything."""
    count, total = len(values), float(values.sum())
    if not total:
        return 0.0
    return float((2 * np.arange(1, count + 1) - count - 1) @ values / (count * total))


def lorenz(values: Floats) -> list[float]:
    """The share of the total that the least have, for evenly spaced shares of sorted values."""
    running = np.concatenate(([0.0], np.cumsum(values) / max(float(values.sum()), 1e-9)))
    return np.interp(np.linspace(0, 1, GRID + 1), np.linspace(0, 1, len(running)), running).tolist()  # type: ignore[no-any-return]


def spread(values: Sequence[float]) -> Interval:
    """Mean and 95 % interval by Student's t."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Interval(mean)
    half = student(count - 1) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return Interval(mean, mean - half, mean + half)


def student(freedom: int) -> float:
    """The 97.5 % point of Student's t: by the table, then by its expansion around the normal (Abramowitz, Stegun 26.7.5)."""
    if freedom < len(T_975):
        return T_975[freedom]
    z = Z_975
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
