"""Several changes to a local file system, durable together: what `apply` is there.

All of this blocks, and is called from threads.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import assert_never

import structlog

from core.drivers.changes import (
    Barrier,
    BeginUpload,
    Change,
    CleanUp,
    Delete,
    Fill,
    Move,
    MoveOut,
    Put,
)
from core.drivers.filesystem import atomic
from core.drivers.filesystem.calls import driver_faults
from core.drivers.filesystem.directories import (
    ATTEMPTS,
    DirectoryMaker,
    PendingSyncs,
    deleted_again_and_again,
)
from core.drivers.filesystem.durable import DurableFiles
from core.drivers.filesystem.files import claim_regular
from core.drivers.filesystem.filling import Filling
from core.drivers.filesystem.shared import SharedContents
from core.drivers.filesystem.syncs import BatchSyncs
from core.drivers.filesystem.temporaries import Temporaries
from core.errors import PathNotFound

__all__ = ["LocalCommit"]

_log = structlog.get_logger()

_IN_THE_WAY = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.ENOENT)


class LocalCommit:
    """One list of changes below `root`, made in a group, or what prepares one file.

    Contents are written to temporary files and synced first, those behind a barrier too, which
    nobody sees. Then everything gets its name or loses it, in order, and each directory that was
    changed is synced once. On file systems with a journal the syncs that follow each other find
    most of their work done by the first.
    """

    def __init__(
        self,
        root: str,
        directories: DirectoryMaker,
        durable_files: DurableFiles,
        shared: SharedContents,
        syncs: BatchSyncs,
        changes: Sequence[Change] = (),
        *,
        durable: bool,
    ) -> None:
        self.path = "/"
        self._changes = changes
        self._left = iter(enumerate(changes))
        self._root = root
        self._directories = directories
        self._durable = durable
        self._pending = PendingSyncs(directories, syncs, durable=durable)
        self._durable_files = durable_files
        self._shared = shared
        self._temporaries = Temporaries(directories, self._pending, syncs, durable=durable)
        self._fillings: list[Filling] = []
        # Empty files that are durable once the directories are synced.
        self._begun: dict[str, os.stat_result] = {}

    @property
    def pending(self) -> PendingSyncs | None:
        """The directories that were changed."""
        return self._pending

    def prepare(self) -> None:
        """Write the contents of the changes to files that nobody sees.

        Raises:
            DriverError: one of them could not be written.
        """
        self._temporaries.write(
            (number, put.path, self._local(put.path), put.content)
            for number, put in enumerate(self._changes)
            if isinstance(put, Put) and not put.may_share
        )
        for fill in self._changes:
            if isinstance(fill, Fill):
                with driver_faults(fill.path):
                    filling = Filling(self._durable_files, fill.path, self._local(fill.path))
                    self._fillings.append(filling)
                    filling.write(fill.content)

    def unsynced(self) -> list[int]:
        """Return the descriptors of these files, which are to be synced, for `settle`."""
        unsynced = self._temporaries.unsynced()
        if self._durable:
            unsynced += [filling.descriptor for filling in self._fillings]
        return unsynced

    def settle(self, faults: Sequence[OSError | None]) -> None:
        """Take these files for synced, with these faults.

        Raises:
            DriverError: the first of them.
        """
        if not self._durable:
            self._temporaries.settle(())
            return
        others = len(faults) - len(self._fillings)
        for filling, fault in zip(self._fillings, faults[others:], strict=True):
            with driver_faults(filling.path):
                filling.settle(fault)
        self._temporaries.settle(faults[:others])

    def advance(self) -> bool:
        """Make the changes up to the next barrier; say whether there is one.

        Raises:
            DriverError: the fault of the first change that failed.
        """
        for number, change in self._left:
            if isinstance(change, Barrier):
                return True
            self.path = change.path
            with driver_faults(change.path):
                self._make(number, change)
        return False

    def note_durable(self) -> None:
        """Remember what is durable now that the directories are."""
        if self._durable:
            for target, found in self._begun.items():
                self._durable_files.remember(target, found)
        self._begun.clear()

    def finish(self) -> None:
        """Remove the files that have got no name."""
        for filling in self._fillings:
            filling.close()
        self._temporaries.discard()

    def create(self, path: str, target: str, flags: int) -> int:
        """Open a file that is made if it is missing, its directory too; return the descriptor.

        The directories are durable once `sync` was called.

        Raises:
            PathConflict: there is a file where a directory has to be.
            DriverUnavailable: its directory is deleted again and again.
        """
        return self._directories.create(path, target, flags, self._pending)

    def create_claimed(self, path: str, target: str) -> int:
        """Open and claim a file that is made if it is missing; return the descriptor.

        Its name is durable once `sync` was called.

        Raises:
            PathConflict: it is a directory, or below a file.
            WriterBusy: someone else has claimed it.
        """
        descriptor = self.create(path, target, 0)
        try:
            claim_regular(path, target, descriptor)
            self._begin(target, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def sync(self) -> None:
        """Make durable what was made."""
        self._pending.sync()
        self.note_durable()

    def _make(self, number: int, change: Change) -> None:
        match change:
            case Put(path, content, may_share=True) if self._share(path, content):
                return
            case Put(path, content, may_share):
                self._name(number, path, content, may_share=may_share)
            case Move(source, destination):
                self._move(source, destination)
            case MoveOut(source, destination):
                self._move_out(source, destination)
            case BeginUpload(path):
                self._begin_upload(path)
            case Delete(path, missing_ok):
                self._delete(path, missing_ok=missing_ok)
            case CleanUp(path):
                self._clean_up(path)
            case Fill() | Barrier():
                return
            case _:
                assert_never(change)

    def _share(self, path: str, content: bytes) -> bool:
        target = self._local(path)
        self._directories.make_parent(path, target, self._pending)
        if not self._shared.link(content, target):
            return False
        self._pending.add(os.path.dirname(target))
        return True

    def _name(self, number: int, path: str, content: bytes, *, may_share: bool) -> None:
        target = self._local(path)
        # The directory may be deleted, and the temporary file with it, before it has its name.
        for _ in range(ATTEMPTS):
            with suppress(FileNotFoundError):
                found = self._temporaries.find(number) if may_share else None
                if self._temporaries.rename(number, target):
                    self._pending.add(os.path.dirname(target))
                    if found is not None:
                        self._shared.remember(content, found, target)
                    return
            self._temporaries.write([(number, path, target, content)])
            self._temporaries.sync()
        raise deleted_again_and_again(path)

    def _move(self, source: str, destination: str) -> None:
        origin, target = self._local(source), self._local(destination)
        with _missing(source):
            if stat.S_ISDIR(os.stat(origin).st_mode):
                raise PathNotFound(source)
        for _ in range(ATTEMPTS):
            try:
                self._directories.make_parent(destination, target, self._pending)
                os.replace(origin, target)
            except FileNotFoundError:
                if not os.path.lexists(origin):
                    raise PathNotFound(source) from None
            else:
                self._pending.add(os.path.dirname(target))
                return
        raise deleted_again_and_again(destination)

    def _move_out(self, source: str, destination: str) -> None:
        origin = self._local(source)
        with _missing(source):
            found = os.stat(origin)
            if stat.S_ISDIR(found.st_mode):
                raise PathNotFound(source)
        has_durable_name = self._durable_files.knows(origin, found)
        self._durable_files.forget(origin)
        target = self._local(destination)
        if not self._rename_directory(origin, target, destination):
            self._move(source, destination)
            self._clean_up(source.rpartition("/")[0])
        elif not has_durable_name:
            self._pending.add(os.path.dirname(target))

    def _rename_directory(self, origin: str, target: str, path: str) -> bool:
        """Make the directory of `origin` that of `target`, which has only that file then.

        That spares the system a new directory and the removal of an old one, which on a busy disk
        are the most expensive part of a small push. Where there is a directory already, nothing
        is done, and the result is False.
        """
        name = os.path.basename(target)
        directory = os.path.dirname(target)
        if os.path.basename(origin) != name:
            return False
        self._directories.make_parent(path, directory, self._pending)
        try:
            os.rename(os.path.dirname(origin), directory)
        except OSError as error:
            if error.errno in _IN_THE_WAY:
                return False
            raise
        self._pending.add_made(directory, os.stat(directory).st_ino)
        for leftover in os.listdir(directory):
            if leftover != name:
                self._remove_leftover(f"{directory}/{leftover}", path)
        return True

    def _begin_upload(self, path: str) -> None:
        target = self._local(path)
        try:
            # What did not exist is claimed by nobody.
            descriptor = self.create(path, target, os.O_EXCL)
        except FileExistsError:
            descriptor = self.create_claimed(path, target)
        try:
            if self._begin(target, descriptor) and self._durable:
                # What an earlier process has written may not be on the disk yet.
                atomic.sync_content(descriptor, target)
        finally:
            os.close(descriptor)

    def _begin(self, target: str, descriptor: int) -> int:
        """Note that a file was begun, which may hold something already; return its size."""
        self._pending.add(os.path.dirname(target))
        found = os.fstat(descriptor)
        if not found.st_size:
            self._begun[target] = found
        return found.st_size

    def _delete(self, path: str, *, missing_ok: bool) -> None:
        target = self._local(path)
        try:
            atomic.remove(target, durable=False)
        except (FileNotFoundError, NotADirectoryError):
            if not missing_ok:
                raise
        else:
            self._pending.add(os.path.dirname(target))

    def _clean_up(self, path: str) -> None:
        self._remove_leftover(self._local(path), path)

    def _remove_leftover(self, target: str, path: str) -> None:
        try:
            atomic.remove(target, durable=False)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            reason = error.strerror or type(error).__name__
            _log.warning("leftovers were not deleted", path=path, reason=reason)

    def _local(self, path: str) -> str:
        return self._root if path == "/" else self._root + path


@contextmanager
def _missing(source: str) -> Iterator[None]:
    """Name the source of a move in the fault, where it is the source that is missing."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise PathNotFound(source) from None
