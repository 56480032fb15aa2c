"""Charts of a comparison: matches over time, the Lorenz curve of exposure, newcomers. Needs the extra `plots`."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dating.simulation.report import Report


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def plot(report: Report, folder: Path) -> list[Path]:
    """Write each chart as SVG and PNG into the folder; their paths."""
    from matplotlib.figure import Figure

    written = []
    for name, title, across, up in (
        ("matches_by_day", "Matches of a person", "days", "matches"),
        ("lorenz", "Who is shown", "share of people, the least shown first", "share of impressions"),
        ("newcomers_by_day", "Newcomers with a match", "days since joining", "share"),
    ):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.subplots()
        draw(axes, report, name)
        axes.set(title=f"{title}: {report.people:,} people, {len(report.seeds)} seeds", xlabel=across, ylabel=up)
        axes.legend(frameon=False)
        for kind in ("svg", "png"):
            path = folder / f"{name}.{kind}"
            figure.savefig(path, metadata={"Date": None} if kind == "svg" else None)
            written.append(path)
    return written


def draw(axes: Any, report: Report, name: str) -> None:
    """One line for each policy, ours the thickest; for exposure also what equality would be."""
    for line in report.lines:
        curve = line.curves[name]
        step = 1 / (len(curve) - 1) if name == "lorenz" else 1.0
        axes.plot([step * place for place in range(len(curve))], curve, label=line.policy, lw=3 if line.policy == "ours" else 1.3)
    if name == "lorenz":
        axes.plot([0, 1], [0, 1], color="black", lw=0.6, ls=":")
