"""New contents on their way to their names: in temporary files, synced before they are renamed.

All of this blocks, and is called from threads.
"""

import os
from collections.abc import Sequence

from core.drivers import atomic
from core.drivers.local_calls import driver_faults
from core.drivers.local_directories import DirectoryMaker, PendingSyncs

__all__ = ["Temporaries"]

_OPEN_TOGETHER = 16

NewContent = tuple[int, str, str, bytes]
"""A number that tells it from the others, the path and the file it is for, and the content."""


class Temporaries:
    """The temporary files of one commit."""

    def __init__(
        self, directories: DirectoryMaker, pending: PendingSyncs, *, durable: bool
    ) -> None:
        """Begin with none; without `durable` they are not synced."""
        self._directories = directories
        self._pending = pending
        self._durable = durable
        self._names: dict[int, str] = {}

    def write(self, contents: Sequence[NewContent]) -> None:
        """Write each content beside its file, and sync it.

        Several are written before the first is synced, so that the file system can put them all
        into one entry of its journal.

        Raises:
            DriverError: one could not be written; all of them are there for `discard`.
        """
        for start in range(0, len(contents), _OPEN_TOGETHER):
            self._write(contents[start : start + _OPEN_TOGETHER])

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
        for name in self._names.values():
            atomic.discard(name)
        self._names.clear()

    def _write(self, contents: Sequence[NewContent]) -> None:
        descriptors: list[tuple[str, int]] = []
        try:
            for number, path, target, content in contents:
                with driver_faults(path):
                    name = atomic.temporary_name(target)
                    descriptor = self._directories.create(path, name, os.O_EXCL, self._pending)
                    descriptors.append((path, descriptor))
                    self._names[number] = name
                    atomic.write_all(descriptor, content)
            if self._durable:
                for path, descriptor in descriptors:
                    with driver_faults(path):
                        os.fsync(descriptor)
        finally:
            for _, descriptor in descriptors:
                os.close(descriptor)
