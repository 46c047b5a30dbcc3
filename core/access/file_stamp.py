"""`FileStamp`: what tells a file of the host from the one that was there before."""

import os
from pathlib import Path
from typing import NamedTuple, Self

__all__ = ["FileStamp"]


class FileStamp(NamedTuple):
    """What is another with every change of a file, be it written to, replaced or put back.

    Two changes within one tick of the file system's clock, a few milliseconds, that leave its size
    as it was cannot be told apart.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return the stamp of the file that `status` is of."""
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )

    @classmethod
    def find(cls, path: Path) -> Self | None:
        """Return the stamp of the file at `path`, links followed; None if there is none to see."""
        try:
            return cls.of(path.stat())
        except OSError:
            return None
