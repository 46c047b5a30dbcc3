"""Calls to the local file system: in threads, and with their faults named."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from core.drivers.thread_pool import ThreadPool
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

    def close(self) -> None:
        """End the threads, once they have done what they were given."""
        self._pool.close()


@contextmanager
def driver_faults(path: str) -> Iterator[None]:
    """Turn what the system says into a `DriverError` for `path`, without paths of the host."""
    try:
        yield
    except DriverError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise PathNotFound(path) from None
    except IsADirectoryError:
        raise PathConflict(path) from None
    except OSError as error:
        raise as_driver_error(path, error) from error


def as_driver_error(path: str, error: OSError) -> DriverError:
    """Return what a fault of the system, other than that something is not there, means."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(path)
    if error.errno == errno.ENAMETOOLONG:
        return PathInvalid(path)
    return DriverUnavailable(path, errno.errorcode.get(error.errno or 0, "OSError"))
