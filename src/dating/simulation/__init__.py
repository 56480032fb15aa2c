"""`dating simulate`: policies of showing people compared on a seeded population."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import AbstractAsyncContextManager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from dating.simulation.exposures import list_impressions, write_log
from dating.simulation.figures import Figures, measure
from dating.simulation.market import play
from dating.simulation.plots import can_plot, plot
from dating.simulation.policies import POLICIES
from dating.simulation.population import DAYS, plan_sessions, populate
from dating.simulation.report import Report, show, summarize
from dating.simulation.served import Residents, Trouble, play_served

__all__ = ["POLICIES", "Host", "Trouble", "compare", "compare_served", "run"]

NO_PLOTS = "No charts: matplotlib is not installed. It comes with the extra: pip install 'dating[plots]'."


def simulate(people: int, seed: int, policy: str) -> Figures:
    """One run, on arrays."""
    population = populate(people, seed)
    return measure(play(population, plan_sessions(population), POLICIES[policy]))


def compare(people: int, seeds: int, policies: Sequence[str], processes: int, console: Console) -> Report:
    """Every policy on every seed, with a bar that counts the runs."""
    numbers = list(range(1, seeds + 1))
    runs: dict[tuple[str, int], Figures] = {}
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("simulating", total=len(policies) * seeds)
        for policy, seed, figures in run_all(people, numbers, policies, processes):
            runs[policy, seed] = figures
            progress.update(bar, advance=1, description=f"{policy}, seed {seed}")
    by_policy = {policy: [runs[policy, seed] for seed in numbers] for policy in policies}
    return summarize("on arrays", people, DAYS, numbers, by_policy)


def run_all(people: int, seeds: Sequence[int], policies: Sequence[str], processes: int) -> Iterator[tuple[str, int, Figures]]:
    """The runs as they end, in this process or in several."""
    jobs = [(policy, seed) for seed in seeds for policy in policies]
    if processes == 1:
        yield from ((policy, seed, simulate(people, seed, policy)) for policy, seed in jobs)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        futures: dict[Future[Figures], tuple[str, int]] = {
            pool.submit(simulate, people, seed, policy): (policy, seed) for policy, seed in jobs
        }
        yield from ((*futures[done], done.result()) for done in as_completed(futures))


class Host(NamedTuple):
    """A server that plays a simulation: a client for it, and how its clock is set to a time in days."""

    http: httpx.AsyncClient
    turn: Callable[[float], None]


OpenHost = Callable[[], AbstractAsyncContextManager[Host]]


def follow(progress: Progress, bar: TaskID) -> Callable[[float], None]:
    """What moves a bar to a day."""

    def step(day: float) -> None:
        progress.update(bar, completed=day)

    return step


async def compare_served(people: int, seeds: int, policies: Sequence[str], host: OpenHost, console: Console) -> Report:
    """Every policy on every seed, each on a host, with a bar of the days; one after the other. Raises Trouble."""
    numbers, runs = list(range(1, seeds + 1)), {policy: list[Figures]() for policy in policies}
    stamp = os.urandom(4).hex()
    with Progress(console=console, disable=not console.is_terminal) as progress:
        for number, (seed, policy) in enumerate((seed, policy) for seed in numbers for policy in policies):
            bar = progress.add_task(f"{policy}, seed {seed}", total=DAYS)
            population = populate(people, seed)
            async with host() as (http, turn):
                residents = Residents(http, population, f"sim_{stamp}_{number}", number)
                chosen = None if policy == "ours" else POLICIES[policy]
                sessions = plan_sessions(population)
                outcome = await play_served(residents, sessions, chosen, turn, follow(progress, bar))
            runs[policy].append(measure(outcome))
    return summarize("on the server", people, DAYS, numbers, runs)


def run(
    people: int,
    seeds: int,
    policies: Sequence[str],
    processes: int | None,
    out: Path | None,
    log: Path | None = None,
    host: OpenHost | None = None,
) -> int:
    """Compare, print the table and write `simulation.json` and the charts into `out`; the exit status.

    `log` is a file for the exposures of ours (or of the only policy) on the first seed; `dating replay-log` reads it. With a
    `host` the real server does it. Raises Trouble.
    """
    bars = Console(stderr=True)
    if host is None:
        report = compare(people, seeds, policies, processes or os.cpu_count() or 1, bars)
    else:
        report = asyncio.run(compare_served(people, seeds, policies, host, bars))
    console = Console()
    if not console.is_terminal:
        console.width = 160
    show(report, console)
    if out is not None:
        write(report, out, console)
    if log is not None:
        population = populate(people, 1)
        policy = POLICIES[policies[0] if len(policies) == 1 else "ours"]
        write_log(list_impressions(play(population, plan_sessions(population), policy)), log)
    return 0


def write(report: Report, out: Path, console: Console) -> None:
    """The report as JSON, and charts where they can be drawn."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "simulation.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    if can_plot():
        plot(report, out)
    else:
        console.print(NO_PLOTS, markup=False)
