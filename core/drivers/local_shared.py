"""One file under many names: contents that many files have alike, and nobody writes to in place.

A name more for a file that is there and durable costs the system a tenth of a new file, and no sync
of its content; and to remove it later frees nothing that the disk would have to keep account of.

All of this blocks, and is called from threads.
"""

import errno
import os
import threading

from core.drivers import atomic

__all__ = ["SharedContents"]

_DESCRIPTORS = "/proc/self/fd"

_UNABLE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.EXDEV, errno.EPERM)
"""What file systems say that have no files without a name, or none with several; and where a
directory of the store leads to another file system."""


class SharedContents:
    """The latest content that was shared, in a file that has no name of its own.

    The system removes such a file with the last name that it was given, after which another one
    is begun; so nothing is left of it, whatever happens. May be used by several threads at once.
    """

    def __init__(self, root: str, *, durable: bool) -> None:
        """Begin with none; files are those of the file system of `root`."""
        self._root = root
        self._durable = durable
        self._lock = threading.Lock()
        self._content: bytes | None = None
        self._descriptor = -1
        self._works = hasattr(os, "O_TMPFILE") and os.path.isdir(_DESCRIPTORS)

    def link(self, content: bytes, target: str) -> bool:
        """Make `target` a name of a file with `content`, which is durable; say whether it is.

        What is there already is left alone. Where the result is False, nothing has changed.
        """
        with self._lock:
            if not self._works:
                return False
            try:
                if self._content != content or not self._link(target):
                    self._begin(content)
                    return self._link(target)
            except OSError as error:
                # A fault of the disk is met again, and told, by whoever writes the file in full.
                self._works = error.errno not in _UNABLE
                return False
            return True

    def close(self) -> None:
        """Let go of the file; the names that it has stay. It may be used again."""
        with self._lock:
            self._forget()

    def _link(self, target: str) -> bool:
        """Give the file a name; say whether it can have more: it may have lost its last one."""
        try:
            # With a directory named, though the path needs none, links are followed.
            os.link(f"{_DESCRIPTORS}/{self._descriptor}", target, src_dir_fd=self._descriptor)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EMLINK):
                return False
            raise
        return True

    def _begin(self, content: bytes) -> None:
        self._forget()
        self._descriptor = os.open(self._root, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666)
        try:
            atomic.write_all(self._descriptor, content)
            if self._durable:
                os.fsync(self._descriptor)
        except BaseException:
            self._forget()
            raise
        self._content = content

    def _forget(self) -> None:
        descriptor, self._descriptor, self._content = self._descriptor, -1, None
        if descriptor >= 0:
            os.close(descriptor)
