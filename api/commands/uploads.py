"""`moorage uploads`: what pushes have left unfinished, and the end of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from api.commands.options import Config, Root
from api.commands.store import with_store
from api.commands.uploads_shown import (
    Progress,
    show_outcome,
    show_report,
    show_uploads,
    upload_fields,
)
from api.settings.durations import EXAMPLES, parse_duration
from core.drivers import StorageDriver
from core.errors import DriverError, NameInvalid
from core.storage import RepositoryName
from core.storage.purging import PartialUpload, Removal, UploadPurge, find_uploads

__all__ = ["uploads"]

uploads = typer.Typer(
    name="uploads",
    help="Look at the uploads that clients have left unfinished, and delete them.",
    no_args_is_help=True,
)


def _parse_age(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _parse_name(text: str) -> RepositoryName:
    try:
        return RepositoryName.parse(text)
    except NameInvalid as error:
        raise typer.BadParameter(error.message) from None


_OLDER_THAN = typer.Option(
    parser=_parse_age, metavar="DURATION", help=f"Only those begun so long ago, {EXAMPLES}."
)
_Repository = Annotated[
    RepositoryName | None,
    typer.Option(parser=_parse_name, metavar="NAME", help="Only those of this repository."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@uploads.command("list")
def list_uploads(
    older_than: Annotated[timedelta | None, _OLDER_THAN] = None,
    repository: _Repository = None,
    as_json: _Json = False,
    root: Root = None,
    config: Config = None,
) -> None:
    """List unfinished uploads: a table on a terminal, tab-separated lines in a pipe.

    The exit code is 1 where a part of the store could not be looked at.
    """
    failures: list[DriverError] = []

    async def look(driver: StorageDriver) -> list[PartialUpload]:
        found = []
        with Progress("looking for uploads") as progress:
            async for upload in find_uploads(driver, repository, on_fault=failures.append):
                if older_than is None or _is_older(upload, older_than):
                    found.append(upload)
                    progress.step()
        return found

    found = with_store(config, root, look)
    if as_json:
        shown = {
            "uploads": [upload_fields(upload) for upload in found],
            "failures": [_failure_fields(failure) for failure in failures],
        }
        typer.echo(json.dumps(shown, indent=2))
    else:
        show_uploads(found)
    _end(failures)


@uploads.command("purge")
def purge_uploads(
    older_than: Annotated[timedelta, _OLDER_THAN],
    repository: _Repository = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: _Json = False,
    root: Root = None,
    config: Config = None,
) -> None:
    """Delete uploads that were begun so long ago, but none that is being written now.

    The exit code is 1 where something could not be deleted; the rest is deleted all the same.
    """
    done: list[tuple[PartialUpload, Removal]] = []

    async def work(driver: StorageDriver) -> UploadPurge:
        purge = UploadPurge(driver, older_than=older_than, repository=repository, dry_run=dry_run)
        found = []
        with Progress("looking for uploads") as progress:
            async for upload in purge.find():
                found.append(upload)
                progress.step()
        with Progress("purging uploads", total=len(found)) as progress:
            for upload in found:
                removal = await purge.remove(upload)
                done.append((upload, removal))
                if not as_json:
                    show_outcome(upload, removal, dry_run=dry_run)
                progress.step()
        return purge

    purge = with_store(config, root, work)
    if as_json:
        shown = {
            "dry_run": dry_run,
            "removed": purge.report.removed,
            "freed_bytes": purge.report.freed_bytes,
            "busy": purge.report.busy,
            "failures": [_failure_fields(failure) for failure in purge.report.failures],
            "uploads": [{**upload_fields(upload), "outcome": removal} for upload, removal in done],
        }
        typer.echo(json.dumps(shown, indent=2))
    else:
        show_report(purge.report, [upload for upload, _ in done], dry_run=dry_run)
    _end(purge.report.failures)


def _is_older(upload: PartialUpload, age: timedelta) -> bool:
    return upload.started_at is not None and upload.started_at <= datetime.now(UTC) - age


def _failure_fields(failure: DriverError) -> dict[str, str]:
    return {"path": failure.path, "reason": str(failure)}


def _end(failures: list[DriverError]) -> None:
    for failure in failures:
        typer.echo(f"moorage: {failure}", err=True)
    if failures:
        raise typer.Exit(1)
