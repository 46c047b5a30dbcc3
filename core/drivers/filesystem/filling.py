"""An upload that holds nothing and is given all of its content.

All of this blocks, and is called from threads.
"""

import os

from core.drivers.filesystem import atomic
from core.drivers.filesystem.durable import DurableFiles
from core.errors import DriverUnavailable

__all__ = ["Filling"]


class Filling:
    """One file of an upload on its way from nothing to all of its content.

    Attributes:
        path: of the driver, for faults.
        descriptor: of the open file.
    """

    def __init__(self, durable_files: DurableFiles, path: str, target: str) -> None:
        """Open the file `target`, which is there.

        Raises:
            FileNotFoundError: it is not.
        """
        self.path = path
        self.descriptor = os.open(target, os.O_WRONLY | os.O_CLOEXEC)
        self._target = target
        self._durable_files = durable_files
        self._state: os.stat_result | None = None

    def write(self, content: bytes) -> None:
        """Write all of it, which is durable once the descriptor was synced.

        Raises:
            DriverUnavailable: the file holds something.
        """
        found = os.fstat(self.descriptor)
        if found.st_size:
            raise DriverUnavailable(self.path, "the upload is not empty")
        has_durable_name = self._durable_files.knows(self._target, found)
        atomic.write_all(self.descriptor, content)
        if has_durable_name:
            self._state = os.fstat(self.descriptor)

    def settle(self, fault: OSError | None) -> None:
        """Take the file for synced, or remove it where that has failed.

        Raises:
            OSError: it has.
        """
        if fault is not None:
            # Once synced in vain it would be taken for durable by the next sync.
            atomic.discard(self._target)
            raise fault
        if self._state is not None:
            self._durable_files.remember(self._target, self._state)

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)
