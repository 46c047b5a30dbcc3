"""Uploads as commands show them: tables and progress for people, lines and fields for programs."""

import sys
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import typer
from rich import progress
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from core.storage.purging import PartialUpload, PurgeReport, Removal

__all__ = ["Progress", "show_outcome", "show_report", "show_uploads", "upload_fields"]

_OUTCOMES: dict[Removal, str] = {
    "removed": "removed",
    "busy": "being written",
    "gone": "gone already",
    "failed": "failed",
}

_TABLE_WIDTH = 2000
"""Whatever the terminal has: long lines go on at its next, as cut names and ids are of no use."""


class Progress:
    """How far a command has come, on standard error; nothing where that is no terminal."""

    def __init__(self, task: str, *, total: int | None = None) -> None:
        """Show `task`, with a bar where the number of its steps is known."""
        counted: list[progress.ProgressColumn] = (
            [progress.TextColumn("{task.completed} found")]
            if total is None
            else [progress.BarColumn(), progress.MofNCompleteColumn()]
        )
        self._shown = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}"),
            *counted,
            progress.TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._shown.add_task(task, total=total)

    def __enter__(self) -> Self:
        self._shown.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._shown.stop()

    def step(self) -> None:
        """Count one more."""
        self._shown.advance(self._task)


def upload_fields(upload: PartialUpload) -> dict[str, str | int | None]:
    """Return what programs are told of an upload; times are RFC 3339, sizes bytes."""
    return {
        "repository": upload.repository,
        "id": upload.upload_id,
        "path": upload.path,
        "started_at": None if upload.started_at is None else _timestamp(upload.started_at),
        "size": upload.size,
        "state": upload.state,
    }


def show_uploads(uploads: Sequence[PartialUpload]) -> None:
    """Print a table on a terminal; elsewhere a line for each, its fields separated by tabs."""
    if not sys.stdout.isatty():
        for upload in uploads:
            typer.echo("\t".join(_cells(upload, str(upload.size))))
        return
    _print_table(uploads)
    typer.echo(f"{_count(len(uploads))}, {decimal(sum(upload.size for upload in uploads))}")


def show_outcome(upload: PartialUpload, removal: Removal, *, dry_run: bool) -> None:
    """Print a line on what became of an upload, unless a bar on a terminal tells how it goes."""
    if not sys.stdout.isatty():
        outcome = "would be removed" if dry_run else _OUTCOMES[removal]
        typer.echo("\t".join([outcome, *_cells(upload, str(upload.size))]))


def show_report(report: PurgeReport, uploads: Sequence[PartialUpload], *, dry_run: bool) -> None:
    """Print a line on a whole purge; on a terminal, behind what a dry run would delete."""
    if dry_run and sys.stdout.isatty():
        _print_table(uploads)
    begin = "would remove" if dry_run else "removed"
    typer.echo(
        f"{begin} {_count(report.removed)}, {decimal(report.freed_bytes)}; "
        f"{report.busy} being written, {len(report.failures)} failed"
    )


def _print_table(uploads: Sequence[PartialUpload]) -> None:
    if uploads:
        table = Table("Repository", "Upload", "Started", box=None, pad_edge=False)
        table.add_column("Size", justify="right")
        table.add_column("State")
        for upload in uploads:
            table.add_row(*_cells(upload, decimal(upload.size)))
        Console(width=_TABLE_WIDTH, soft_wrap=True).print(table)


def _cells(upload: PartialUpload, size: str) -> tuple[str, str, str, str, str]:
    started = "unknown" if upload.started_at is None else _timestamp(upload.started_at)
    name = upload.upload_id or upload.path
    return upload.repository or "-", name, started, size, upload.state


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _count(number: int) -> str:
    return "1 upload" if number == 1 else f"{number} uploads"
