"""Partial uploads: whatever pushes have begun in a store and not finished."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from core.drivers import StorageDriver, Unfinished
from core.errors import DriverError, PathNotFound
from core.storage import paths
from core.storage.names import RepositoryName
from core.storage.repository_walk import OnFault, RepositoryWalk, raise_fault
from core.storage.started_at import parse_started_at

__all__ = ["PartialUpload", "UploadState", "find_uploads", "look_at_upload"]

UploadState = Literal["open", "broken", "leftover"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialUpload:
    """Content that nobody can read, and that takes room until it is finished or deleted.

    Attributes:
        repository: its name as it is in the store; None for what lies in no repository.
        upload_id: as clients know it; None for a `leftover`.
        path: the directory of the upload; of a `leftover`, the path it was written for.
        started_at: when it was begun; where that is not on record, when any part of it was last
            written; None if the store does not know that either.
        size: in bytes, of what was received.
        state: an `open` upload can be gone on with. A `broken` one has lost its start or its
            data, so that no client can. A `leftover` is what a writer has stored outside of any
            upload and not committed: it is being written now, or its process has died.
        unfinished: what the driver keeps for it beside files, if anything.
    """

    repository: str | None
    upload_id: str | None
    path: str
    started_at: datetime | None
    size: int
    state: UploadState
    unfinished: tuple[Unfinished, ...]


async def find_uploads(
    driver: StorageDriver,
    repository: RepositoryName | None = None,
    *,
    on_fault: OnFault = raise_fault,
) -> AsyncGenerator[PartialUpload, None]:
    """Yield every partial upload of the store once, or those of one repository alone.

    Directories are found whatever is in them, those that no client could go on with included.
    What begins or ends meanwhile may or may not be seen.

    Args:
        driver: the store.
        repository: whose uploads are wanted; those of repositories below it are not.
        on_fault: is told what could not be looked at.
    """
    pieces = await _group_unfinished(driver, repository, on_fault)
    if repository is None:
        walk = RepositoryWalk(driver, on_fault=on_fault)
        async for components, names in walk.directories():
            if paths.UPLOADS in names:
                async for upload in _find_listed(driver, "/".join(components), pieces, on_fault):
                    yield upload
    else:
        async for upload in _find_listed(driver, repository.value, pieces, on_fault):
            yield upload
    # What is left has no file of its own: all of it is beside what the store lists.
    for directory, unfinished in pieces.uploads.items():
        found = await _look_or_tell(driver, directory, unfinished, on_fault)
        if found is not None:
            yield found
    for one in pieces.leftovers:
        yield _leftover(one)


async def look_at_upload(
    driver: StorageDriver, directory: str, unfinished: Iterable[Unfinished] = ()
) -> PartialUpload | None:
    """Return what is known now of the upload with this directory, or None if there is none.

    `unfinished` is what the driver is known to keep for it.
    """
    unfinished = tuple(unfinished)
    data_size = await _find_data_size(driver, directory)
    started_at = await _find_start(driver, directory)
    intact = started_at is not None and data_size is not None
    if started_at is None:
        times = [one.started_at for one in unfinished]
        holds_files = await _collect_times(driver, directory, times)
        # Some stores go on showing a directory for a while that has nothing in it.
        if not times and not holds_files and data_size is None:
            return None
        started_at = max(times, default=None)
    data = paths.data_of_upload(directory)
    return PartialUpload(
        repository=paths.find_repository(directory),
        upload_id=directory.rpartition("/")[2],
        path=directory,
        started_at=started_at,
        size=max(data_size or 0, sum(one.size for one in unfinished if one.path == data)),
        state="open" if intact else "broken",
        unfinished=unfinished,
    )


class _Pieces:
    """The unfinished content of a store, by the upload that it belongs to."""

    def __init__(self) -> None:
        self.uploads: defaultdict[str, list[Unfinished]] = defaultdict(list)
        self.leftovers: list[Unfinished] = []


async def _group_unfinished(
    driver: StorageDriver, repository: RepositoryName | None, on_fault: OnFault
) -> _Pieces:
    pieces = _Pieces()
    below = paths.ROOT if repository is None else f"{paths.REPOSITORIES}/{repository}"
    try:
        async for unfinished in driver.list_unfinished(below):
            owner = paths.find_repository(unfinished.path)
            if repository is not None and owner != repository.value:
                continue
            directory = paths.find_upload(unfinished.path)
            if directory is not None:
                pieces.uploads[directory].append(unfinished)
            elif unfinished.path != paths.PURGE_CLAIM:
                pieces.leftovers.append(unfinished)
    except DriverError as error:
        on_fault(error)
    return pieces


async def _find_listed(
    driver: StorageDriver, repository: str, pieces: _Pieces, on_fault: OnFault
) -> AsyncGenerator[PartialUpload, None]:
    directory = paths.uploads(repository)
    try:
        async for entry in driver.list(directory):
            if entry.is_directory:
                path = f"{directory}/{entry.name}"
                unfinished = pieces.uploads.pop(path, [])
                found = await _look_or_tell(driver, path, unfinished, on_fault)
                if found is not None:
                    yield found
    except PathNotFound:
        return
    except DriverError as error:
        on_fault(error)


async def _look_or_tell(
    driver: StorageDriver, directory: str, unfinished: list[Unfinished], on_fault: OnFault
) -> PartialUpload | None:
    try:
        return await look_at_upload(driver, directory, unfinished)
    except DriverError as error:
        on_fault(error)
        return None


def _leftover(unfinished: Unfinished) -> PartialUpload:
    return PartialUpload(
        repository=paths.find_repository(unfinished.path),
        upload_id=None,
        path=unfinished.path,
        started_at=unfinished.started_at,
        size=unfinished.size,
        state="leftover",
        unfinished=(unfinished,),
    )


async def _find_data_size(driver: StorageDriver, directory: str) -> int | None:
    try:
        return (await driver.stat_upload(paths.data_of_upload(directory))).size
    except PathNotFound:
        return None


async def _find_start(driver: StorageDriver, directory: str) -> datetime | None:
    try:
        return parse_started_at(await driver.get(paths.started_at_of_upload(directory)))
    except (PathNotFound, ValueError):
        return None


async def _collect_times(driver: StorageDriver, path: str, times: list[datetime]) -> bool:
    """Add when `path` and what lies below it were last written; say whether there is a file."""
    try:
        found = await driver.stat(path)
        if found.modified_at is not None:
            times.append(found.modified_at)
        if not found.is_directory:
            return True
        holds_files = False
        async for entry in driver.list(path):
            holds_files |= await _collect_times(driver, f"{path}/{entry.name}", times)
    except PathNotFound:
        return False
    return holds_files
