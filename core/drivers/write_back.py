"""Having the disk begin with a file while more of it is coming.

Left alone, the system keeps what is written in memory until it is synced, and the disk, idle
before, takes all of it then, while somebody waits.
"""

import ctypes
from collections.abc import Callable

__all__ = ["WriteBack"]

_WINDOW_BYTES = 8 * 1024 * 1024
"""Enough for large writes to the disk, and little enough for the sync at the end to find most of
the work done."""

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

    def advance(self, descriptor: int, size: int) -> None:
        """Tell the disk to begin with what was written, if that is much; `size` is all of it."""
        if size - self._begun >= _WINDOW_BYTES and _sync_file_range is not None:
            # What fails here will fail, and be told, when the file is synced.
            _sync_file_range(descriptor, self._begun, size - self._begun, _WRITE)
            self._begun = size


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
