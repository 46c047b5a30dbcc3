"""Calls to the local file system: in threads, and with their faults named."""

import errno
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar

from core.drivers.filesystem.joined_calls import JoinedCalls
from core.drivers.filesystem.thread_pool import ThreadPool
from core.errors import (
    DriverError,
    DriverUnavailable,
    PathConflict,
    PathInvalid,
    PathNotFound,
    StorageFull,
)

__all__ = ["Threads", "as_driver_error", "driver_faults"]

_MAX_THREADS = 64

T = TypeVar("T")


class Threads:
    """The threads of one driver, a bounded number at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPool(_MAX_THREADS)

    async def run(self, path: str, function: Callable[..., T], *args: object) -> T:
        """Return what `function` returns in a thread; its faults become those of `path`.

        A thread that has begun always ends, also when its caller is cancelled, so that each
        change to the disk happens whole.
        """
        with driver_faults(path):
            return await self._pool.run(function, *args)

    def join(self, function: Callable[[Sequence[T]], Sequence[Exception | None]]) -> JoinedCalls[T]:
        """Return what calls `function`, which does several things at once, in these threads."""
        return JoinedCalls(self._pool, function)

    def close(self) -> None:
        """End the threads, once they have done what they were given."""
        self._pool.close()


def driver_faults(path: str) -> "_DriverFaults":
    """Turn what the system says into a `DriverError` for `path`, without paths of the host."""
    return _DriverFaults(path)


class _DriverFaults:
    # A class, as it is entered for every call: a generator would take three times as long.

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, OSError):
            if isinstance(exc, FileNotFoundError | NotADirectoryError):
                raise PathNotFound(self._path) from None
            if isinstance(exc, IsADirectoryError):
                raise PathConflict(self._path) from None
            raise as_driver_error(self._path, exc) from exc


def as_driver_error(path: str, error: OSError) -> DriverError:
    """Return what a fault of the system, other than that something is not there, means."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(path)
    if error.errno == errno.ENAMETOOLONG:
        return PathInvalid(path)
    return DriverUnavailable(path, errno.errorcode.get(error.errno or 0, "OSError"))
