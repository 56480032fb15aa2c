"""The comparison as a table for people and as JSON for machines."""

from collections.abc import Sequence

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from dating.simulation.figures import CURVES, NUMBERS, Figures, Interval, spread

HEADS = {
    "matches_per_100_swipes": ("matches per 100 swipes", 1, 2),
    "effective_matches": ("effective matches", 1, 2),
    "nobody": ("nobody in 4 weeks, %", 100, 1),
    "exposure_gini": ("exposure Gini", 1, 3),
    "newcomers_matched": ("newcomers matched, %", 100, 1),
    "like_rate": ("likes per 100 swipes", 100, 1),
    "swipes": ("swipes", 1, 0),
}

GOALS_AT = 4000  # people, for whom the goals were set; in a town everybody is soon seen by everybody, and no order changes much


class Goal(msgspec.Struct, frozen=True):
    """A figure of ours against what it should be at least (or, for the Gini, at most); paired by seed where it is a ratio."""

    meaning: str
    found: Interval
    wanted: float
    met: bool


class Line(msgspec.Struct, frozen=True):
    """One policy over all seeds."""

    policy: str
    numbers: dict[str, Interval]
    curves: dict[str, list[float]]


class Report(msgspec.Struct, frozen=True):
    """One comparison."""

    way: str
    people: int
    days: int
    seeds: list[int]
    lines: list[Line]
    goals: list[Goal]


def summarize(way: str, people: int, days: int, seeds: list[int], runs: dict[str, list[Figures]]) -> Report:
    """All runs of each policy, in the order of the seeds."""
    lines = [
        Line(
            policy,
            {name: spread([getattr(found, name) for found in figures]) for name in NUMBERS},
            {name: np.mean([getattr(found, name) for found in figures], axis=0).tolist() for name in CURVES},
        )
        for policy, figures in runs.items()
    ]
    return Report(way, people, days, seeds, lines, judge(runs) if people == GOALS_AT else [])


def judge(runs: dict[str, list[Figures]]) -> list[Goal]:
    """The goals of the documentation that can be judged with the policies that ran."""
    ours = runs.get("ours", [])
    goals = []
    for name, against, wanted in (
        ("matches_per_100_swipes", "random", 4.0),
        ("matches_per_100_swipes", "popularity", 2.5),
        ("effective_matches", "popularity", 2.3),
    ):
        if ours and against in runs:
            found = spread(divide(ours, runs[against], name))
            goals.append(Goal(f"{HEADS[name][0]}, times {against}", found, wanted, found.mean >= wanted))
    if ours:
        even, welcomed = (spread([getattr(run, name) for run in ours]) for name in ("exposure_gini", "newcomers_matched"))
        goals.append(Goal("exposure Gini, at most", even, 0.35, even.mean <= 0.35))
        goals.append(Goal("share of newcomers matched in 3 days", welcomed, 0.65, welcomed.mean >= 0.65))
    return goals


def divide(ours: Sequence[Figures], theirs: Sequence[Figures], name: str) -> list[float]:
    """The ratio of a figure for each seed."""
    return [getattr(one, name) / max(getattr(other, name), 1e-9) for one, other in zip(ours, theirs, strict=True)]


def show(report: Report, console: Console) -> None:
    """Print the table and how it compares to the goals."""
    title = f"{report.people:,} people, {report.days} days, {len(report.seeds)} seeds, {report.way}; 95 % intervals over seeds"
    table = Table(title=title)
    table.add_column("policy", no_wrap=True)
    for head, _, _ in HEADS.values():
        table.add_column(head, justify="right")
    for line in report.lines:
        table.add_row(line.policy, *(say(line.numbers[name], times, digits) for name, (_, times, digits) in HEADS.items()))
    console.print(table)
    for goal in report.goals:
        verdict = "met" if goal.met else "missed"
        console.print(f"{goal.meaning}: {say(goal.found, 1, 2)}, wanted {goal.wanted}: {verdict}", markup=False, highlight=False)


def say(found: Interval, times: float, digits: int) -> str:
    """A mean with half its interval."""
    half = "" if found.high is None else f" ± {(found.high - found.mean) * times:.{digits}f}"
    return f"{found.mean * times:.{digits}f}{half}"
