"""What a copy shows while it goes on: a bar on a terminal, lines elsewhere."""

import sys
from collections import deque
from collections.abc import Callable
from datetime import timedelta

import typer
from anyio import current_time, sleep
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from core.storage.copying import CopyTally

__all__ = ["ProgressBar", "ProgressLines", "describe", "human_bytes", "make_progress"]

_BAR_SECONDS = 0.2
_LINE_SECONDS = 5
_BAR_WIDTH = 12
_WINDOW_SECONDS = 30
"""The rate is that of the last seconds, so that it follows a network that changes."""


def human_bytes(size: float) -> str:
    """Write a number of bytes with a unit that makes it short."""
    if size < 1024:  # noqa: PLR2004 - a KiB
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1000:  # noqa: PLR2004 - four digits are one too many
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


class Pace:
    """How fast a copy has been of late."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self.bytes_per_second = 0.0

    def observe(self, now: float, moved_bytes: int) -> None:
        """Take note of how many bytes had been moved at a time, in seconds."""
        self._samples.append((now, moved_bytes))
        while now - self._samples[0][0] > _WINDOW_SECONDS:
            self._samples.popleft()
        began, before = self._samples[0]
        self.bytes_per_second = (moved_bytes - before) / (now - began) if now > began else 0.0


def describe(tally: CopyTally, bytes_per_second: float) -> str:
    """Say in one line how far a copy is: bytes, objects, rate, and what is left."""
    more = "" if tally.blobs_are_listed else "+"
    links_are_listed = tally.blobs_are_listed and (
        tally.done_repositories == tally.total_repositories > 0
    )
    more_objects = "" if links_are_listed else "+"
    return (
        f"{human_bytes(tally.done_bytes)}/{human_bytes(tally.total_bytes)}{more} "
        f"{tally.done_objects}/{tally.total_objects}{more_objects} objects "
        f"{human_bytes(bytes_per_second)}/s {_describe_rest(tally, bytes_per_second)}"
    )


def _describe_rest(tally: CopyTally, bytes_per_second: float) -> str:
    if not tally.blobs_are_listed:
        return "listing"
    left = tally.total_bytes - tally.done_bytes
    if left > 0 and bytes_per_second > 0:
        return f"{timedelta(seconds=round(left / bytes_per_second))} left"
    if tally.total_repositories:
        return f"repository {tally.done_repositories}/{tally.total_repositories}"
    return "-:--:-- left"


class ProgressLines:
    """A line now and every few seconds, for what is no terminal."""

    def __init__(
        self, tally: CopyTally, write: Callable[[str], None], every_seconds: float = _LINE_SECONDS
    ) -> None:
        self._tally = tally
        self._write = write
        self._every_seconds = every_seconds
        self._pace = Pace()

    async def show(self) -> None:
        """Write lines until cancelled."""
        while True:
            self._pace.observe(current_time(), self._tally.moved_bytes)
            self._write(describe(self._tally, self._pace.bytes_per_second))
            await sleep(self._every_seconds)

    def say(self, line: str) -> None:
        """Write a line of another kind."""
        self._write(line)


class ProgressBar:
    """A bar at the bottom of a terminal, with other lines above it."""

    def __init__(self, tally: CopyTally, console: Console) -> None:
        self._tally = tally
        self._console = console
        self._pace = Pace()

    async def show(self) -> None:
        """Keep the bar up to date until cancelled, and leave it as it was last."""
        bar = Progress(
            BarColumn(bar_width=_BAR_WIDTH),
            TaskProgressColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            console=self._console,
            auto_refresh=False,
        )
        task = bar.add_task("", total=None, state="")
        with bar:
            try:
                while True:
                    self._update(bar, task)
                    await sleep(_BAR_SECONDS)
            finally:
                self._update(bar, task)

    def say(self, line: str) -> None:
        """Write a line above the bar."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _update(self, bar: Progress, task: TaskID) -> None:
        self._pace.observe(current_time(), self._tally.moved_bytes)
        bar.update(
            task,
            completed=self._tally.done_bytes,
            total=self._tally.total_bytes or None,
            state=describe(self._tally, self._pace.bytes_per_second),
            refresh=True,
        )


def make_progress(tally: CopyTally) -> ProgressBar | ProgressLines:
    """Return what suits standard error."""
    if sys.stderr.isatty():
        return ProgressBar(tally, Console(stderr=True))
    return ProgressLines(tally, lambda line: typer.echo(line, err=True))
