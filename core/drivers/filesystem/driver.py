"""A store in a directory, laid out so that `docker/distribution` can work on it too."""

import os
import stat
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from core.drivers.base import (
    DriverReader,
    Entry,
    FileWriter,
    ObjectInfo,
    StorageDriver,
    Unfinished,
)
from core.drivers.changes import BeginUpload, Change, Delete, Move, Put
from core.drivers.filesystem import atomic
from core.drivers.filesystem.calls import Threads, as_driver_error, driver_faults
from core.drivers.filesystem.commit import LocalCommit
from core.drivers.filesystem.directories import DirectoryMaker
from core.drivers.filesystem.durable import DurableFiles
from core.drivers.filesystem.files import LocalAppender, LocalReader, LocalWriter, claim_regular
from core.drivers.filesystem.group import GroupMember, run_group
from core.drivers.filesystem.joined_calls import JoinedCalls
from core.drivers.filesystem.leftovers import remove_leftover, scan_leftovers
from core.drivers.filesystem.listings import Listing, Listings
from core.drivers.filesystem.shared import SharedContents
from core.drivers.filesystem.syncs import BatchSyncs
from core.errors import PathNotFound

__all__ = ["FilesystemDriver"]

_SMALL_BYTES = 64 * 1024
"""What is smaller is read on the event loop: from the page cache that takes microseconds, less than
a thread's turn."""

_FIRST_BYTES = 8 * 1024

_READ = os.O_RDONLY | os.O_CLOEXEC

Durability = Literal["full", "relaxed"]


class FilesystemDriver(StorageDriver):
    """Files below a root directory.

    Args:
        root: is made at the first write.
        durability: `full` syncs every file, rename and new directory before a call returns.
            `relaxed` leaves that to the system: a crash of the machine may lose what was
            acknowledged in the last seconds, and a crash of the process loses nothing.
    """

    name = "filesystem"
    gives_urls = False

    def __init__(self, root: str | os.PathLike[str], durability: Durability = "full") -> None:
        if durability not in get_args(Durability):
            raise ValueError(f"durability is one of {get_args(Durability)}, not {durability!r}")
        self._root = os.fspath(Path(root).absolute())
        self._durable = durability == "full"
        self._syncs = BatchSyncs()
        self._directories = DirectoryMaker(self._root)
        self._durable_files = DurableFiles()
        self._shared = SharedContents()
        self._listings = Listings()
        self._threads = Threads()
        self._commits: JoinedCalls[GroupMember] = self._threads.join(
            partial(run_group, syncs=self._syncs)
        )

    async def get(self, path: str) -> bytes:
        try:
            descriptor = os.open(self._root + path, _READ)
            try:
                # Links and most manifests fit into the first piece: three calls of the system, none
                # of them to ask for the size, and no room made for what is not there.
                content = os.read(descriptor, _FIRST_BYTES)
                if len(content) == _FIRST_BYTES:
                    content += os.read(descriptor, _SMALL_BYTES - _FIRST_BYTES)
                if len(content) == _SMALL_BYTES:
                    return await self._threads.run(path, _read_rest, descriptor, content)
                return content
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise PathNotFound(path) from None
        except OSError as error:
            raise as_driver_error(path, error) from error

    async def put(self, path: str, content: bytes) -> None:
        await self.apply([Put(path, content)])

    async def open_reader(self, path: str, start: int = 0, stop: int | None = None) -> DriverReader:
        with driver_faults(path):
            descriptor = os.open(self._local(path), os.O_RDONLY | os.O_CLOEXEC)
            try:
                found = os.fstat(descriptor)
                if stat.S_ISDIR(found.st_mode):
                    raise PathNotFound(path)
                return LocalReader(self._threads, path, descriptor, found.st_size, start, stop)
            except BaseException:
                os.close(descriptor)
                raise

    async def open_writer(self, path: str) -> FileWriter:
        target = self._local(path)
        temporary = atomic.temporary_name(target)
        descriptor = await self._threads.run(path, self._create_temporary, path, temporary)
        return LocalWriter(
            self._threads,
            path,
            temporary=temporary,
            target=target,
            descriptor=descriptor,
            durable=self._durable,
        )

    async def open_appender(self, path: str, *, create: bool = False) -> FileWriter:
        if create:
            return await self._threads.run(path, self._create_appender, path)
        # Nothing of this waits for the disk.
        with driver_faults(path):
            return self._open_appender(path)

    async def create_upload(self, path: str) -> None:
        await self.apply([BeginUpload(path)])

    async def stat(self, path: str) -> ObjectInfo:
        try:
            found = os.stat(self._root + path)
        except (FileNotFoundError, NotADirectoryError):
            raise PathNotFound(path) from None
        except OSError as error:
            raise as_driver_error(path, error) from error
        is_directory = stat.S_ISDIR(found.st_mode)
        return ObjectInfo(
            path=path,
            size=0 if is_directory else found.st_size,
            is_directory=is_directory,
            modified_at=datetime.fromtimestamp(found.st_mtime, UTC),
        )

    async def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        listing = await self._threads.run(path, self._list, path)
        for entry in listing.entries(start_after):
            yield entry

    async def move(self, source: str, destination: str) -> None:
        await self.apply([Move(source, destination)])

    async def delete(self, path: str) -> None:
        await self.apply([Delete(path)])

    async def apply(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        commit = self._new_commit(changes)
        if _are_short(changes):
            await self._commits.run(commit)
        else:
            await self._threads.run("/", self._run_alone, commit)

    async def list_unfinished(self, path: str) -> AsyncIterator[Unfinished]:
        # A file that an appender has begun is an ordinary one, and is listed as such.
        pending = [self._local(path)]
        while pending:
            for unfinished in await self._threads.run(path, scan_leftovers, self._root, pending):
                yield unfinished

    async def discard(self, unfinished: Unfinished) -> None:
        target = self._local(unfinished.path)
        await self._threads.run(unfinished.path, remove_leftover, target, unfinished)

    async def aclose(self) -> None:
        self._threads.close()
        self._syncs.close()

    def _local(self, path: str) -> str:
        return self._root if path == "/" else self._root + path

    def _new_commit(self, changes: Sequence[Change] = ()) -> LocalCommit:
        return LocalCommit(
            self._root,
            self._directories,
            self._durable_files,
            self._shared,
            self._syncs,
            changes,
            durable=self._durable,
        )

    def _run_alone(self, commit: LocalCommit) -> None:
        (fault,) = run_group([commit], syncs=self._syncs)
        if fault is not None:
            raise fault

    def _create_temporary(self, path: str, temporary: str) -> int:
        commit = self._new_commit()
        descriptor = commit.create(path, temporary, os.O_EXCL)
        try:
            commit.sync()
        except BaseException:
            os.close(descriptor)
            atomic.discard(temporary)
            raise
        return descriptor

    def _create_appender(self, path: str) -> FileWriter:
        commit = self._new_commit()
        target = self._local(path)
        descriptor = commit.create_claimed(path, target)
        try:
            commit.sync()
            return self._append_to(path, target, descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def _open_appender(self, path: str) -> FileWriter:
        target = self._local(path)
        try:
            descriptor = os.open(target, os.O_RDWR | os.O_CLOEXEC)
        except IsADirectoryError:
            raise PathNotFound(path) from None
        try:
            claim_regular(path, target, descriptor)
            return self._append_to(path, target, descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def _append_to(self, path: str, target: str, descriptor: int) -> FileWriter:
        return LocalAppender(
            self._threads,
            path,
            target=target,
            descriptor=descriptor,
            size=os.lseek(descriptor, 0, os.SEEK_END),
            durable=self._durable,
            durable_files=self._durable_files,
            commits=self._commits,
        )

    def _list(self, path: str) -> Listing:
        try:
            return self._listings.list(self._local(path))
        except FileNotFoundError:
            if path != "/":
                raise
            return Listing([], frozenset())


def _are_short(changes: Sequence[Change]) -> bool:
    """Say whether others may wait until these are made."""
    size = 0
    for change in changes:
        if isinstance(change, Delete):
            # There may be a large directory.
            return False
        if isinstance(change, Put):
            size += len(change.content)
    return size <= _SMALL_BYTES


def _read_rest(descriptor: int, start: bytes) -> bytes:
    chunks = [start]
    while chunk := os.read(descriptor, max(os.fstat(descriptor).st_size, 1)):
        chunks.append(chunk)
    return b"".join(chunks)
