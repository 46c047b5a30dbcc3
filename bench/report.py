"""From figures to the table that people read and the JSON that programs read."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.content import MIB
from bench.measure import Figures, MemoryFigures
from bench.scenarios import Goal, MemoryRow, Row

__all__ = ["RowReport", "format_memory", "format_table", "row_as_json"]

_FIELDS = ("throughput", "cpu", "p50", "p99", "peak_bytes")
_TITLES = ("operation", "throughput", "CPU", "p50 ms", "p99 ms", "peak MiB")
# The clock of CPU time is coarse: the shortest slices may have none, and no mean takes zeros.
_LEAST = 1e-9
_RATIOS = ("throughput", "cpu", "p50", "p99")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReport:
    """One row with the slices of each server, ours first.

    Attributes:
        row: what was done.
        slices: for each server, in the order of the turns.
    """

    row: Row
    slices: Sequence[Sequence[Figures]]

    def median(self, server: int, field: str) -> float:
        """Return the median of a field of one server over its slices."""
        values = [float(getattr(figures, field)) for figures in self.slices[server]]
        return statistics.median(values)

    def ratio(self, field: str) -> float:
        """Return ours by theirs: the median over the pairs that followed each other."""
        ours, theirs = self.slices
        pairs = [
            (float(getattr(mine, field)), float(getattr(other, field)))
            for mine, other in zip(ours, theirs, strict=True)
        ]
        return statistics.median(
            mine / max(other, _LEAST) if mine else _LEAST for mine, other in pairs
        )

    def missed(self, goal: Goal) -> list[str]:
        """Return what does not reach the goal."""
        missed = []
        if self.ratio("throughput") < goal.throughput:
            missed.append("throughput")
        if self.ratio("cpu") > goal.cpu:
            missed.append("CPU")
        return missed


def format_table(
    reports: Sequence[RowReport], names: Sequence[str], *, newest: bool, goal: Goal | None
) -> str:
    """Return the table as Markdown.

    Args:
        reports: the rows.
        names: of the servers, ours first.
        newest: whether the second one is what `Row.newest` compares with.
        goal: what every row shall reach beside the second one, if anything.
    """
    heads = list(_TITLES[:1])
    for title in _TITLES[1:]:
        heads += [f"{title} {name}" for name in names]
        if len(names) > 1 and title != _TITLES[-1]:
            heads.append("ratio")
    if len(names) > 1 and newest:
        heads += ["throughput to newest", "CPU to newest"]
    if len(names) > 1 and goal:
        heads.append(f"goal: throughput {goal.throughput:g}, CPU {goal.cpu:g}")
    lines = [heads, ["---"] * len(heads)]
    lines += [_format_row(report, len(names), newest=newest, goal=goal) for report in reports]
    if len(names) > 1:
        lines.append(_format_means(reports, newest=newest, goal=goal))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def format_memory(
    row: MemoryRow, figures: Sequence[MemoryFigures], names: Sequence[str], huge_bytes: int
) -> str:
    """Return one line for each server, ours with the limit that it has to keep."""
    pulls = f" and {row.pulls} pulls" if row.pulls else ""
    lines = [f"{row.pushes} pushes{pulls} of {huge_bytes // MIB} MiB at once:"]
    for place, (figure, name) in enumerate(zip(figures, names, strict=True)):
        line = (
            f"  {name}: {figure.throughput / MIB:,.0f} MiB/s, "
            f"peak of a process {figure.peak_bytes / MIB:.0f} MiB"
        )
        if place == 0:
            verdict = "kept" if figure.peak_bytes < row.limit_bytes else "NOT KEPT"
            line += f" (limit {row.limit_bytes // MIB} MiB: {verdict})"
        lines.append(line)
    return "\n".join(lines)


def row_as_json(report: RowReport, names: Sequence[str], *, goal: Goal | None) -> dict[str, Any]:
    """Return everything that was measured of a row, in seconds and bytes."""
    row = report.row
    answer: dict[str, Any] = {
        "key": row.key,
        "title": row.title,
        "connections": row.connections,
        "unit": "operations" if row.size == "small" else "bytes",
        "servers": {
            name: {
                "median": {field: report.median(place, field) for field in _FIELDS},
                "slices": [asdict(figures) for figures in report.slices[place]],
            }
            for place, name in enumerate(names)
        },
    }
    if len(names) > 1:
        answer["ratios"] = {field: report.ratio(field) for field in _RATIOS}
        if goal:
            answer["missed"] = report.missed(goal)
    return answer


def _format_row(report: RowReport, servers: int, *, newest: bool, goal: Goal | None) -> list[str]:
    row = report.row
    cells = [
        f"{row.title}, {row.connections} connections".replace(" 1 connections", " 1 connection")
    ]
    for field in _FIELDS:
        cells += [_formatter(row, field)(report.median(place, field)) for place in range(servers)]
        if servers > 1 and field in _RATIOS:
            cells.append(f"{report.ratio(field):.2f}")
    if servers > 1 and newest:
        cells += [f"{value:.2f}" for value in _to_newest(report)]
    if servers > 1 and goal:
        missed = report.missed(goal)
        cells.append(f"missed: {', '.join(missed)}" if missed else "met")
    return cells


def _format_means(reports: Sequence[RowReport], *, newest: bool, goal: Goal | None) -> list[str]:
    cells = ["geometric mean of the ratios"]
    for field in _RATIOS:
        mean = statistics.geometric_mean([report.ratio(field) for report in reports])
        cells += ["", "", f"{mean:.2f}"]
    cells += ["", ""]
    if newest:
        pairs = [_to_newest(report) for report in reports]
        cells += [f"{statistics.geometric_mean(column):.2f}" for column in zip(*pairs, strict=True)]
    if goal:
        cells.append("")
    return cells


def _to_newest(report: RowReport) -> tuple[float, float]:
    newest = report.row.newest
    assert newest is not None
    return report.ratio("throughput") / newest.throughput, report.ratio("cpu") / newest.cpu


def _formatter(row: Row, field: str) -> Callable[[float], str]:
    if field == "throughput":
        if row.size == "small":
            return lambda value: f"{value:,.0f} /s"
        return lambda value: f"{value / MIB:,.0f} MiB/s"
    if field == "cpu":
        if row.size == "small":
            return lambda value: f"{value * 1000:.2f} ms"
        return lambda value: f"{value:.2f} s/GiB"
    if field == "peak_bytes":
        return lambda value: f"{value / MIB:.0f}"
    return lambda value: f"{value * 1000:,.1f}"
