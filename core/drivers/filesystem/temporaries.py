"""New contents on their way to their names: in temporary files, synced before they are renamed.

All of this blocks, and is called from threads.
"""

import os
from collections.abc import Iterable, Sequence

from core.drivers.filesystem import atomic
from core.drivers.filesystem.calls import driver_faults
from core.drivers.filesystem.directories import DirectoryMaker, PendingSyncs
from core.drivers.filesystem.syncs import BatchSyncs

__all__ = ["Temporaries"]

_OPEN_TOGETHER = 16

NewContent = tuple[int, str, str, bytes]
"""A number that tells it from the others, the path and the file it is for, and the content."""


class Temporaries:
    """The temporary files of one commit."""

    def __init__(
        self,
        directories: DirectoryMaker,
        pending: PendingSyncs,
        syncs: BatchSyncs,
        *,
        durable: bool,
    ) -> None:
        """Begin with none; without `durable` they are not synced."""
        self._directories = directories
        self._pending = pending
        self._syncs = syncs
        self._durable = durable
        self._names: dict[int, str] = {}
        self._open: list[tuple[str, int]] = []

    def write(self, contents: Iterable[NewContent]) -> None:
        """Write each content beside its file. They are durable once `sync` was called.

        Raises:
            DriverError: one could not be written; all of them are there for `discard`.
        """
        for number, path, target, content in contents:
            if len(self._open) == _OPEN_TOGETHER:
                self.sync()
            with driver_faults(path):
                name = atomic.temporary_name(target)
                descriptor = self._directories.create(path, name, os.O_EXCL, self._pending)
                self._open.append((path, descriptor))
                self._names[number] = name
                atomic.write_all(descriptor, content)

    def sync(self) -> None:
        """Make durable what was written.

        Raises:
            DriverError: one could not be synced; all of them are there for `discard`.
        """
        self.settle(self._syncs.sync(self.unsynced()))

    def unsynced(self) -> list[int]:
        """Return the descriptors of what was written and is to be synced, for `settle`."""
        return [descriptor for _, descriptor in self._open] if self._durable else []

    def settle(self, faults: Sequence[OSError | None]) -> None:
        """Take what is `unsynced` for synced, with these faults.

        Raises:
            DriverError: the first of them.
        """
        try:
            for (path, _), fault in zip(self._open, faults, strict=False):
                if fault is not None:
                    with driver_faults(path):
                        raise fault
        finally:
            self._close()

    def find(self, number: int) -> os.stat_result | None:
        """Return what the system knows of a content's file, or None if it was not written.

        Raises:
            FileNotFoundError: it has been deleted, with its directory.
        """
        return os.stat(self._names[number]) if number in self._names else None

    def rename(self, number: int, target: str) -> bool:
        """Give a content its name, in place of what is there; say whether it was written at all.

        Raises:
            FileNotFoundError: it has been deleted, with its directory.
        """
        if number not in self._names:
            return False
        os.replace(self._names[number], target)
        del self._names[number]
        return True

    def discard(self) -> None:
        """Remove what has got no name."""
        self._close()
        for name in self._names.values():
            atomic.discard(name)
        self._names.clear()

    def _close(self) -> None:
        for _, descriptor in self._open:
            os.close(descriptor)
        self._open.clear()
