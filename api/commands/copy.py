"""`moorage copy`: everything of one store into another."""

import json
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import anyio
import typer
from anyio import create_task_group, open_signal_receiver

from api.commands.copy_progress import human_bytes, make_progress
from api.commands.options import EXIT_USAGE, fail
from api.logging import configure_logging
from api.settings import SettingsError, load_storage_settings
from api.settings.groups import LogSettings
from api.settings.storage import StorageSettings
from core.access.copying import copy_state
from core.access.opening import open_access_state
from core.access.state import AccessState
from core.drivers import StorageDriver, create_driver
from core.errors import DriverError, NameInvalid, PathNotFound
from core.storage import RepositoryName
from core.storage.copying import CopyTally, StoreCopier
from core.storage.signing_key import copy_signing_key

__all__ = ["copy"]

_EXIT_SIGNAL = 128
"""Added to the number of the signal that ended the command, as shells do."""


def copy(
    source: Annotated[
        Path, typer.Argument(help="Settings file of the store to copy from.", show_default=False)
    ],
    destination: Annotated[
        Path, typer.Argument(help="Settings file of the store to copy to.", show_default=False)
    ],
    repository: Annotated[
        list[str] | None,
        typer.Option(help="Copy only this repository; may be given several times."),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Blobs, or links, that are copied at once.")
    ] = 4,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; count what would be written.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Also read what the destination has already, and heal what is damaged."
        ),
    ] = False,
    with_keys: Annotated[
        bool,
        typer.Option(
            "--with-keys",
            help="Also make the registry's own keys, secrets and robots those of the source.",
        ),
    ] = False,
) -> None:
    """Copy a whole store to another one, every digest verified; run it again to go on.

    Of each settings file only the table `storage` counts; the rest of it is ignored, and so are
    the environment variables. Nothing is deleted at the destination, unless `--with-keys` takes
    away what the source does not have.

    Ends with 0 if all of the source is at the destination, with 1 if anything could not be
    copied, and with 2 if the settings are wrong.
    """
    configure_logging(LogSettings(level="warning"))
    names = _parse_names(repository or [])
    stores = _open_stores(source, destination)
    tally = CopyTally()
    copier = StoreCopier(
        stores[0].driver,
        stores[1].driver,
        tally,
        repositories=names,
        concurrency=concurrency,
        verify=verify,
        dry_run=dry_run,
    )
    end = anyio.run(_copy, copier, tally, stores, with_keys, dry_run)
    for line in end.failures:
        typer.echo(f"moorage: {line}", err=True)
    result = _result(tally, end, dry_run=dry_run)
    typer.echo(json.dumps(result) if as_json else _summary(tally, end, dry_run=dry_run))
    raise typer.Exit(end.exit_code(tally))


@dataclass(frozen=True, slots=True)
class _Store:
    driver: StorageDriver
    root: Path | None


@dataclass(slots=True)
class _End:
    """How a copy ended: why before it was at its end, if it did, and how many keys are others."""

    key_files: int = 0
    failures: list[str] = field(default_factory=list)
    stopped_by: int | None = None

    def is_complete(self, tally: CopyTally) -> bool:
        return self.stopped_by is None and not self.failures and not tally.faults

    def exit_code(self, tally: CopyTally) -> int:
        if self.stopped_by is not None:
            return _EXIT_SIGNAL + self.stopped_by
        return 0 if self.is_complete(tally) else 1


def _parse_names(texts: Sequence[str]) -> Sequence[RepositoryName]:
    try:
        return [RepositoryName.parse(text) for text in texts]
    except NameInvalid as error:
        fail([f"--repository: {error.detail['name']}: {error.message}"], exit_code=EXIT_USAGE)


def _open_stores(source: Path, destination: Path) -> tuple[_Store, _Store]:
    found: list[StorageSettings] = []
    faults: list[str] = []
    for file in (source, destination):
        try:
            found.append(load_storage_settings(file))
        except SettingsError as error:
            faults += error.faults
    if not faults and _location(found[0]) == _location(found[1]):
        faults.append(f"{source} and {destination} name the same store")
    stores = []
    for file, settings in zip((source, destination), found, strict=False):
        try:
            driver = create_driver(settings.driver, settings.driver_options())
            stores.append(_Store(driver, settings.local_root()))
        except ValueError as error:
            faults.append(f"{file}: {error}")
    if faults:
        fail(faults, exit_code=EXIT_USAGE)
    return stores[0], stores[1]


def _location(settings: StorageSettings) -> object:
    if settings.driver == "filesystem":
        return settings.filesystem.root.resolve()
    return settings.driver, settings.driver_options()


async def _copy(
    copier: StoreCopier,
    tally: CopyTally,
    stores: tuple[_Store, _Store],
    with_keys: bool,
    dry_run: bool,
) -> _End:
    end = _End()
    progress = make_progress(tally)
    tally.on_fault = lambda fault: progress.say(f"moorage: {fault.subject}: {fault.reason}")
    async with AsyncExitStack() as stack:
        for store in stores:
            stack.push_async_callback(store.driver.aclose)
        async with create_task_group() as tasks:

            async def stop_at_signal() -> None:
                # The first signal ends the copy in order; a second one meets no handler.
                with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                    async for number in signals:
                        end.stopped_by = number
                        break
                tasks.cancel_scope.cancel()

            tasks.start_soon(stop_at_signal)
            tasks.start_soon(progress.show)
            try:
                await copier.copy()
                if with_keys:
                    end.key_files = await _copy_keys(*stores, dry_run=dry_run)
            except PathNotFound:
                end.failures.append("the source holds no registry, or an empty one")
            except (DriverError, ValueError) as error:
                end.failures.append(f"the copy was given up: {error}")
            tasks.cancel_scope.cancel()
    return end


async def _copy_keys(source: _Store, destination: _Store, *, dry_run: bool) -> int:
    """Return how many files of the registry's own were others."""
    changed = await copy_signing_key(source.driver, destination.driver, dry_run=dry_run)
    root = None if dry_run else destination.root
    async with open_access_state(destination.driver, store_root=root) as state:
        return changed + await copy_state(AccessState(source.driver), state, dry_run=dry_run)


def _result(tally: CopyTally, end: _End, *, dry_run: bool) -> dict[str, object]:
    return {
        "complete": end.is_complete(tally),
        "interrupted": end.stopped_by is not None,
        "dry_run": dry_run,
        "copied_blobs": tally.copied_blobs,
        "copied_bytes": tally.copied_bytes,
        "healed_blobs": tally.healed_blobs,
        "present_blobs": tally.present_blobs,
        "copied_files": tally.copied_files,
        "present_files": tally.present_files,
        "key_files": end.key_files,
        "stale_tag_entries": tally.stale_tag_entries,
        "stale_links": tally.stale_links,
        "unfinished_uploads": tally.unfinished_uploads,
        "faults": [asdict(fault) for fault in tally.faults],
        "failures": end.failures,
    }


def _summary(tally: CopyTally, end: _End, *, dry_run: bool) -> str:
    copied = "would copy" if dry_run else "copied"
    size = human_bytes(tally.copied_bytes)
    lines = [
        f"{copied}: {tally.copied_blobs} blobs ({size}), {tally.copied_files} small files",
        f"there already: {tally.present_blobs} blobs, {tally.present_files} small files",
    ]
    if end.key_files:
        changed = "would change" if dry_run else "changed"
        lines.append(f"keys, secrets and robots, {changed}: {end.key_files} files")
    if tally.healed_blobs:
        replaced = "would be replaced" if dry_run else "replaced"
        lines.append(f"damaged at the destination, {replaced}: {tally.healed_blobs} blobs")
    if tally.stale_tag_entries:
        lines.append(
            f"left behind: {tally.stale_tag_entries} entries in the histories of tags whose "
            "manifests are gone"
        )
    if tally.stale_links:
        lines.append(
            f"left behind: {tally.stale_links} links to signatures and converted manifests that "
            "are gone"
        )
    if tally.unfinished_uploads:
        lines.append(f"left behind: {tally.unfinished_uploads} unfinished uploads")
    if tally.faults:
        lines.append(f"could not be copied: {len(tally.faults)}")
    if end.stopped_by is not None or end.failures:
        lines.append("not finished; run it again to go on")
    return "\n".join(lines)
