"""What the replay found, as a table for people and as JSON for machines."""

import math

import msgspec
from rich.console import Console
from rich.table import Table

from dating.replay.evening import Phase, Stage

LOADED = {"Swiping", "Talking"}


class Times(msgspec.Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p99: float


class Report(msgspec.Struct, frozen=True):
    """The figures of one run; `requests_per_second` covers the phases of swiping and talking.

    `processes` of the server held sockets, replaced ones included; `apart` pairs began to talk from two of them.
    """

    server: str
    seed: int
    people: int
    swipes: int
    likes: int
    mutual: int
    matches: int
    chats: int
    messages: int
    events: int
    typing_sent: int
    typing_shown: int
    processes: int
    apart: int
    drops: int
    resumes: int
    recognized: int
    lost: int
    repeated: int
    disordered: int
    foreign: int
    wrong: int
    requests: int
    retries: int
    seconds: float
    requests_per_second: float
    swipe_ms: Times
    message_ms: Times
    phases: list[Phase]
    notes: list[str]

    @property
    def ok(self) -> bool:
        """Nothing was lost, repeated, out of order, at the wrong person or otherwise wrong."""
        return not (self.lost or self.repeated or self.disordered or self.foreign or self.wrong)


def measure(stage: Stage) -> Report:
    """Reads the figures off a stage whose play is over, or was broken off."""
    devices, faults = list(stage.devices.values()), stage.faults.counts
    loaded = [phase for phase in stage.phases if phase.title in LOADED]
    return Report(
        server=stage.server,
        seed=stage.plan.seed,
        people=len(devices),
        swipes=stage.statuses.total(),
        likes=stage.statuses["like"] + stage.statuses["match"],
        mutual=stage.evening.mutual,
        matches=len(stage.audit.matches),
        chats=len(stage.audit.chats),
        messages=sum(len(pair.sent) for pair in stage.pairs),
        events=sum(len(device.log.events) for device in devices),
        typing_sent=stage.typed,
        typing_shown=stage.audit.typing,
        processes=len(stage.seats.processes),
        apart=stage.apart,
        drops=stage.drops,
        resumes=sum(device.resumes for device in devices),
        recognized=sum(device.log.overlap for device in devices),
        lost=faults["lost"],
        repeated=faults["repeated"],
        disordered=faults["disordered"],
        foreign=faults["foreign"],
        wrong=faults["wrong"],
        requests=stage.client.requests,
        retries=stage.client.retries,
        seconds=round(sum(phase.seconds for phase in stage.phases), 2),
        requests_per_second=_rate(loaded),
        swipe_ms=_times(stage.swipe_times),
        message_ms=_times(stage.message_times),
        phases=stage.phases,
        notes=stage.faults.notes,
    )


def show(found: Report, console: Console) -> None:
    """Prints the table, then the first faults in words."""
    table = Table(title=f"Speed dating on {found.server}", show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name, value in _rows(found):
        table.add_row(name, value)
    console.print(table)
    for note in found.notes:
        console.print(note, style="red", markup=False)
    verdict = "[green]Everything came, once and in order." if found.ok else "[red]Something is off."
    console.print(verdict)


def _rows(found: Report) -> list[tuple[str, str]]:
    return [
        ("people", str(found.people)),
        ("swipes (likes)", f"{found.swipes} ({found.likes})"),
        ("matches", _checked(found.matches, found.mutual)),
        ("chats", _checked(found.chats, found.mutual)),
        ("messages", str(found.messages)),
        ("events", str(found.events)),
        ("typing shown / sent", f"{found.typing_shown} / {found.typing_sent}"),
        ("processes, pairs on two", f"{found.processes}, {found.apart}"),
        ("sockets dropped / resumed", f"{found.drops} / {found.resumes}"),
        ("repeats recognized by seq", str(found.recognized)),
        *((name, _bad(getattr(found, name))) for name in ("lost", "repeated", "disordered", "foreign", "wrong")),
        ("swipe p50 / p99", _span(found.swipe_ms)),
        ("message end to end p50 / p99", _span(found.message_ms)),
        ("requests (retried)", f"{found.requests} ({found.retries})"),
        ("requests per second", f"{found.requests_per_second:.0f}"),
        ("seconds", f"{found.seconds:.1f}"),
        *((f"  {phase.title.lower()}", f"{phase.units} in {phase.seconds:.1f} s") for phase in found.phases),
    ]


def _checked(count: int, asked: int) -> str:
    return f"[green]{count}" if count == asked else f"[red]{count} instead of {asked}"


def _bad(count: int) -> str:
    return f"[red]{count}" if count else "[green]0"


def _span(times: Times) -> str:
    return f"{times.p50:.1f} / {times.p99:.1f} ms"


def _rate(phases: list[Phase]) -> float:
    seconds = sum(phase.seconds for phase in phases)
    return round(sum(phase.requests for phase in phases) / seconds, 1) if seconds else 0.0


def _times(seconds: list[float]) -> Times:
    ordered = sorted(seconds)
    return Times(_rank(ordered, 0.5), _rank(ordered, 0.99))


def _rank(ordered: list[float], share: float) -> float:
    """The nearest-rank quantile in milliseconds; 0 of nothing."""
    if not ordered:
        return 0.0
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)] * 1000, 2)
