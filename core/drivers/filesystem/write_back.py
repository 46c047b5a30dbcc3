"""Having the disk begin with a file while more of it is coming.

Left alone, the system keeps what is written in memory until it is synced, and the disk, idle
before, takes all of it then, while somebody waits.

Memory that the system has not used for a while may be costly: a virtual machine has to ask its host
for each page of it, and takes ten times as long to write a file into it as into memory that it has
just used. Where that is so, what is on the disk already leaves memory, and the next of the file
takes its place. Elsewhere all of it stays, for those who pull next.
"""

import ctypes
import os
import time
from collections.abc import Callable

from core.drivers.filesystem import atomic
from core.drivers.filesystem.past_cache import write_past_cache

__all__ = ["WriteBack"]

_WINDOW_BYTES = 8 * 1024 * 1024
"""Enough for large writes to the disk, and little enough for the sync at the end to find most of
the work done."""

_MEASURED_BYTES = 1024 * 1024
_COSTLY_NANOSECONDS = 1
"""For each byte, of processor time: five times what it takes to copy it."""

_WRITE = 2
"""`SYNC_FILE_RANGE_WRITE`: to begin, and not to wait. Waiting would also take note of a fault of
the disk, and the later sync, which is to tell it, would say that all is well."""


class WriteBack:
    """How far the disk has been told to begin with one file that grows.

    This makes nothing durable: the sync that does is as necessary as before.
    """

    def __init__(self, size: int) -> None:
        """Begin behind the first `size` bytes of the file."""
        self._begun = size
        # What the disk has been told of before the latest window has had the time to get there.
        self._likely_written = size
        self._is_costly = False

    def write(self, descriptor: int, chunk: bytes | bytearray | memoryview) -> None:
        """Write all of `chunk` where the file is written next, and note what that costs."""
        if self._is_costly:
            passed = write_past_cache(descriptor, chunk)
            if passed < len(chunk):
                atomic.write_all(descriptor, memoryview(chunk)[passed:])
            return
        began = time.thread_time_ns()
        atomic.write_all(descriptor, chunk)
        if len(chunk) >= _MEASURED_BYTES:
            cost = time.thread_time_ns() - began
            self._is_costly = cost > _COSTLY_NANOSECONDS * len(chunk)

    def advance(self, descriptor: int, size: int) -> None:
        """Tell the disk to begin with what was written, if that is much; `size` is all of it."""
        if size - self._begun >= _WINDOW_BYTES and _sync_file_range is not None:
            # What fails here will fail, and be told, when the file is synced.
            _sync_file_range(descriptor, self._begun, size - self._begun, _WRITE)
            self._drop(descriptor, self._likely_written)
            self._likely_written, self._begun = self._begun, size

    def end(self, descriptor: int, size: int) -> None:
        """Take note that all of the file, `size`, is on the disk."""
        self._drop(descriptor, size)

    def _drop(self, descriptor: int, size: int) -> None:
        """Let the first `size` bytes leave memory, if it is costly, as far as they are written."""
        if self._is_costly and size and _sync_file_range is not None:
            os.posix_fadvise(descriptor, 0, size, os.POSIX_FADV_DONTNEED)


def _find_function() -> Callable[[int, int, int, int], int] | None:
    """Return the call of Linux, which is made without the interpreter's lock; None elsewhere."""
    try:
        function = ctypes.CDLL(None).sync_file_range
    except AttributeError:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    found: Callable[[int, int, int, int], int] = function
    return found


_sync_file_range = _find_function()
