"""`dating eval` and `dating replay-log`: the ranking judged by what real people did."""

from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from dating.evaluation.auc import Area, measure
from dating.evaluation.dates import Dates, load
from dating.evaluation.predictors import PREDICTORS
from dating.replay.data import BadData

__all__ = ["evaluate", "judge_dates"]

UNREADABLE = 2


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
