"""`dating eval` and `dating replay-log`: the ranking judged by what real people did."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from dating.evaluation.auc import Area, measure
from dating.evaluation.dates import Dates, load
from dating.evaluation.hindsight import FEWEST, Estimate, estimate, look_back
from dating.evaluation.predictors import PREDICTORS
from dating.matching.ranking import Weights
from dating.replay.data import BadData
from dating.simulation.exposures import Impression

__all__ = ["evaluate", "judge_dates", "judge_log"]

FOUND, UNREADABLE = 1, 2


def judge_dates(dates: Dates, seed: int) -> dict[str, Area]:
    """Each predictor's area; `seed` fixes the parts of the evenings and the resampling."""
    found = {}
    for name, guess in PREDICTORS.items():
        dice = np.random.default_rng(seed)
        found[name] = measure(dates.evening, dates.matched, guess(dates, dice), dice)
    return found


def evaluate(directory: Path, seed: int, report: Path | None, console: Console | None = None) -> int:
    """Print the table for the dates in `directory`, write it as JSON to `report`; the exit status (2: unreadable data)."""
    console = console or Console(width=100)
    try:
        dates = load(directory)
    except BadData as error:
        console.print(str(error), style="red", markup=False)
        return UNREADABLE
    found = judge_dates(dates, seed)
    count, share = len(dates.evening), 100 * float(dates.matched.mean())
    table = Table(title=f"Who will match? {count:,} dates on {len(np.unique(dates.evening))} evenings, {share:.1f} % matches")
    table.add_column("guessed by", no_wrap=True)
    table.add_column("AUC of a match", justify="right")
    table.add_column("95 %, by evening", justify="right")
    for name, one in found.items():
        table.add_row(name, f"{one.auc:.3f}", f"{one.low:.3f} to {one.high:.3f}")
    console.print(table)
    if report is not None:
        report.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    return 0


def judge_log(
    log: Sequence[Impression], weights: Weights, sharpness: float, report: Path | None, console: Console | None = None
) -> int:
    """Print what each policy would have brought by the log, write it as JSON to `report`; the exit status.

    1 when too little was shown by chance to say anything.
    """
    console = console or Console(width=100)
    slots = look_back(log, weights)
    found = estimate(slots, sharpness, np.random.default_rng(1))
    if not found:
        console.print(f"No viewer had {FEWEST} slots by chance among the {len(log):,} impressions: nothing can be said.")
        return FOUND
    show_estimates(found, len(log), len(slots), console)
    if report is not None:
        report.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    return 0


def show_estimates(found: list[Estimate], shown: int, slots: int, console: Console) -> None:
    """The table of policies."""
    table = Table(title=f"In hindsight: {slots:,} of {shown:,} impressions by chance; for 100 people shown")
    for head in ("policy", "matches", "95 %", "likes (the wrong target)", "effective sample"):
        table.add_column(head, justify="left" if head == "policy" else "right")
    for one in found:
        interval = f"{one.low:.2f} to {one.high:.2f}"
        table.add_row(one.policy, f"{one.matches:.2f}", interval, f"{one.likes:.1f}", f"{one.sample:,.0f}")
    console.print(table)
