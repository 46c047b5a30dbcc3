"""Directories of a local file system: made as needed, and synced once for several changes.

All of this blocks, and is called from threads.
"""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from core.drivers.filesystem.syncs import BatchSyncs
from core.errors import DriverUnavailable, PathConflict

__all__ = [
    "ATTEMPTS",
    "DirectoryMaker",
    "PendingSyncs",
    "deleted_again_and_again",
    "sync_together",
]

ATTEMPTS = 8
"""So often is tried what somebody who deletes a directory at the same moment makes fail."""

_MAX_KNOWN_DIRECTORIES = 65_536
_OPEN_TOGETHER = 64


class PendingSyncs:
    """The directories whose entries one commit has changed, and that are not synced yet."""

    def __init__(self, directories: "DirectoryMaker", syncs: BatchSyncs, *, durable: bool) -> None:
        """Note changes for `sync`; without `durable` it syncs nothing."""
        self.durable = durable
        self._directories = directories
        self._syncs = syncs
        # From each directory to what was made in it, with its inode.
        self._changed: dict[str, dict[str, int]] = {}

    def add(self, directory: str) -> None:
        """Note that entries of `directory` were changed."""
        self._changed.setdefault(directory, {})

    def add_made(self, directory: str, inode: int) -> None:
        """Note that `directory` itself was made, or found and not known to be durable."""
        self._changed.setdefault(os.path.dirname(directory), {})[directory] = inode

    def has_made(self, directory: str, inode: int) -> bool:
        """Say whether `directory` was noted as made."""
        return self._changed.get(os.path.dirname(directory), {}).get(directory) == inode

    def sync(self) -> None:
        """Make the entries of all these directories durable, each with one sync.

        Raises:
            OSError: one could not be synced; the others may or may not be.
        """
        (fault,) = sync_together([self], self._syncs)
        if fault is not None:
            raise fault

    def list(self) -> "list[str]":
        """Return the directories."""
        return list(self._changed)

    def settle(self, directory: str, *, is_there: bool) -> None:
        """Take one directory for synced, or for deleted since, with what was changed in it."""
        made = self._changed.pop(directory)
        if is_there:
            self._directories.remember(made)


def sync_together(commits: Sequence[PendingSyncs], syncs: BatchSyncs) -> list[OSError | None]:
    """Make the entries of all directories of several commits durable, each with one sync.

    Returns what could not be synced for each commit; the rest of its directories may or may not be.
    """
    owners: dict[str, list[int]] = {}
    for number, commit in enumerate(commits):
        for directory in commit.list():
            owners.setdefault(directory, []).append(number)
    faults: list[OSError | None] = [None] * len(commits)
    directories = list(owners)
    for start in range(0, len(directories), _OPEN_TOGETHER):
        part = directories[start : start + _OPEN_TOGETHER]
        for directory, fault in zip(part, _sync(part, commits, syncs), strict=True):
            is_there = not isinstance(fault, FileNotFoundError)
            for number in owners[directory]:
                if fault is None or not is_there:
                    commits[number].settle(directory, is_there=is_there)
                else:
                    faults[number] = faults[number] or fault
    return faults


def _sync(
    directories: Sequence[str], commits: Sequence[PendingSyncs], syncs: BatchSyncs
) -> list[OSError | None]:
    """Sync directories, if any of `commits` wants it, and return what each has failed with."""
    faults: list[OSError | None] = [None] * len(directories)
    if not any(commit.durable for commit in commits):
        return faults
    opened: dict[int, int] = {}
    try:
        for number, directory in enumerate(directories):
            try:
                opened[number] = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                faults[number] = error
        for number, fault in zip(opened, syncs.sync(list(opened.values())), strict=True):
            faults[number] = fault
    finally:
        for descriptor in opened.values():
            os.close(descriptor)
    return faults


class DirectoryMaker:
    """Makes directories whose own entries are durable, whoever made them.

    A directory that another process has just made may not be on the disk yet, so finding it is
    not enough: its parent is synced once by this process too, and remembered by inode, so that
    one that was deleted and made again counts as new.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._known: dict[str, int] = {}

    def make(self, directory: str, pending: PendingSyncs) -> None:
        """Make `directory` and its parents, whose entries are durable once `pending` is synced.

        Raises:
            NotADirectoryError: a file stands in the way.
        """
        with suppress(FileNotFoundError):
            found = os.stat(directory)
            # A file may have been given the inode of a directory that was deleted.
            if not stat.S_ISDIR(found.st_mode):
                raise _not_a_directory()
            if self._known.get(directory) == found.st_ino:
                return
            if pending.has_made(directory, found.st_ino):
                return
        if directory == self._root:
            os.makedirs(directory, exist_ok=True)
            self.remember({directory: os.stat(directory).st_ino})
            return
        self.make(os.path.dirname(directory), pending)
        try:
            os.mkdir(directory)
        except FileExistsError:
            if not os.path.isdir(directory):
                raise _not_a_directory() from None
        pending.add_made(directory, os.stat(directory).st_ino)

    def make_parent(self, path: str, target: str, pending: PendingSyncs) -> None:
        """Make the directory of `target`, the file of the driver path `path`.

        Raises:
            PathConflict: a file stands in the way.
        """
        try:
            self.make(os.path.dirname(target), pending)
        except NotADirectoryError:
            raise PathConflict(path) from None

    def create(self, path: str, target: str, flags: int, pending: PendingSyncs) -> int:
        """Open a file that is made if it is missing, its directory too; return the descriptor.

        Raises:
            PathConflict: there is a file where a directory has to be.
            DriverUnavailable: its directory is deleted again and again.
        """
        flags |= os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        # The directory may be deleted between its making and its use.
        for _ in range(ATTEMPTS):
            with suppress(FileNotFoundError):
                self.make_parent(path, target, pending)
                return os.open(target, flags, 0o666)
        raise deleted_again_and_again(path)

    def remember(self, durable: dict[str, int]) -> None:
        """Take these directories, with their inodes, for durable from now on."""
        if len(self._known) + len(durable) > _MAX_KNOWN_DIRECTORIES:
            self._known.clear()
        self._known.update(durable)


def _not_a_directory() -> NotADirectoryError:
    return NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def deleted_again_and_again(path: str) -> DriverUnavailable:
    """Return the fault of a change that others undo whenever it is tried."""
    return DriverUnavailable(path, "its directory is deleted again and again")
