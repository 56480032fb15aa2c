"""`dating replay`: the speed-dating experiment against a running server, with a referee at every socket."""

import asyncio
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dating.replay.client import Refused
from dating.replay.data import BadData, Evening, load
from dating.replay.evening import Plan, Stage
from dating.replay.report import Report, measure, show

__all__ = ["run"]


def run(
    directory: Path,
    server: str,
    *,
    concurrency: int = 32,
    messages: int = 4,
    drop: float = 0.2,
    seed: int = 1,
    report: Path | None = None,
    console: Console | None = None,
) -> int:
    """Replays the evening in `directory` on the server at the address `server`, and answers the exit status.

    `concurrency` bounds the requests at once, `messages` (at least 1) is what each matched pair sends together,
    `drop` the share of sockets lost during the swipes and again during the talks; `seed` fixes every choice;
    `report` names a file for the figures as JSON. 0: all came right; 1: something is off, or the server
    refused; 2: the data cannot be read.
    """
    console = console or Console()
    try:
        evening = load(directory)
    except BadData as error:
        console.print(str(error), style="red", markup=False)
        return 2
    found = asyncio.run(_play(evening, server, Plan(concurrency, messages, drop, seed), console))
    show(found, console)
    if report is not None:
        report.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    return 0 if found.ok else 1


async def _play(evening: Evening, server: str, plan: Plan, console: Console) -> Report:
    """One run under progress bars; a refusal that ends it early is a fault like others."""
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        stage = Stage(evening, server, plan, progress)
        try:
            await stage.play()
        except Refused as error:
            stage.faults.add("wrong", str(error))
    return measure(stage)
