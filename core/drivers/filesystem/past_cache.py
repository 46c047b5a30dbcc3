"""Writing to a file without a copy of it in the system's memory."""

import errno
import fcntl
import mmap
import os

__all__ = ["write_past_cache"]

_PAGE = mmap.PAGESIZE

_DIRECT = getattr(os, "O_DIRECT", 0)
"""Not every system has it."""


def write_past_cache(descriptor: int, chunk: bytes | bytearray | memoryview) -> int:
    """Write as much of `chunk` as can go straight to the disk, and return how many bytes that is.

    Only whole pages of memory can, at whole pages of the file, and not in every file system; then
    it is none, or not all. What was written is no more durable than any write is before its sync.

    Raises:
        OSError: a write has failed; the file tells how much of `chunk` it holds.
    """
    whole = len(chunk) - len(chunk) % _PAGE
    if not (_DIRECT and whole):
        return 0
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    written = 0
    with memoryview(chunk) as view:
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | _DIRECT)
            while written < whole and not written % _PAGE:
                written += os.write(descriptor, view[written:whole])
        except OSError as error:
            # So the system refuses memory or places that are not aligned, before it writes.
            if error.errno != errno.EINVAL:
                raise
        finally:
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
    return written
