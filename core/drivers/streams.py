"""Content on its way out of a store, and into it: what a driver opens.

The contract of `core/drivers/base.py` holds here too, and `tests/contracts/driver` tests it.
"""

from abc import abstractmethod
from collections.abc import Callable

from anyio import CancelScope, to_thread
from anyio.abc import AsyncResource

__all__ = ["DriverReader", "FileWriter"]


class DriverReader(AsyncResource):
    """One range of a file, read from its start to its end.

    The file that was opened is the file that is read, whatever is moved, replaced or deleted
    meanwhile, or the read fails.

    Attributes:
        size: of the whole file in bytes, when it was opened.
    """

    size: int

    @abstractmethod
    async def read(self, max_bytes: int) -> bytes | memoryview:
        """Return the next bytes of the range, at least one and at most `max_bytes`.

        Empty bytes mean that the range, or the file, has ended. They may be a view of memory,
        which nobody changes any more.

        Raises:
            DriverUnavailable: the store did not give the bytes.
        """

    def find_descriptor(self) -> int | None:
        """Return a descriptor from which the system reads the same bytes, or None.

        None where the content is not in a file of this machine. The descriptor is the reader's: it
        is good until that is closed, is only to be read at offsets, which count from the start of
        the file, and does not show where the range or the file ends.
        """
        return None


class FileWriter(AsyncResource):
    """Content on its way to one path, written in order by one writer.

    `open_writer` gives one whose bytes are unseen until `commit`, and gone if it is closed
    without. `open_appender` gives one whose bytes stay for the next appender when it is closed,
    and that holds the path for itself while it is open.
    """

    @property
    @abstractmethod
    def size(self) -> int:
        """Return the bytes held so far, those of earlier appenders included."""

    @abstractmethod
    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Add all of `chunk` behind what is there. The chunk may be reused afterwards.

        A call that fails or is cancelled may have added a part of it. A writer may hold back
        some bytes to store them with later ones, so a fault may show in a later call, at the
        latest in `commit` or an appender's `aclose`.

        Raises:
            PathNotFound: what was written before has been deleted or moved by someone else.
            StorageFull: there is no room.
            DriverUnavailable: the store refused, or the writer is committed or closed.
        """

    @abstractmethod
    async def flush(self) -> None:
        """Make an appender's bytes durable for the next one, and go on holding the path.

        Afterwards `stat_upload` tells all of them, and so would it after a crash. More can be
        written. To a writer's bytes, which nobody keeps without a commit, this does nothing.

        Raises:
            PathNotFound: what was written has been deleted or moved by someone else.
            DriverUnavailable: the store did not confirm, or the writer is committed or closed.
        """

    async def write_and(self, chunk: memoryview, then: Callable[[memoryview], object]) -> None:
        """Do what `write` does, and when it has succeeded, call `then` with `chunk`.

        `then` runs in a thread, the same that has written where there is one. A call that is
        cancelled before anything was written does not call it.

        Raises:
            PathNotFound, StorageFull, DriverUnavailable: as `write` does; `then` is not called.
        """
        await self.write(chunk)
        with CancelScope(shield=True):
            await to_thread.run_sync(then, chunk)

    async def write_durably(self, chunk: bytes | bytearray | memoryview) -> None:
        """Do what `write` and then `flush` do, for less than both where that is possible.

        Raises:
            PathNotFound, StorageFull, DriverUnavailable: as they do.
        """
        await self.write(chunk)
        await self.flush()

    @abstractmethod
    async def commit(self) -> None:
        """Make everything written so far readable at the path, all at once and durably.

        A reader finds the old value or the whole new one, also after a crash. Nothing can be
        written afterwards; a second call does nothing.

        Raises:
            PathConflict: the path is a directory, or below a file.
            PathNotFound: what was written has been deleted or moved by someone else.
            DriverUnavailable: the store did not confirm, or the writer is closed.
        """

    @abstractmethod
    async def cancel(self) -> None:
        """Discard everything written, earlier appenders' bytes included, and close."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of the path. After `commit`, and at a second call, that is all.

        Without `commit`, the bytes of a writer are discarded; those of an appender are kept,
        durably, for the next one.

        Raises:
            PathNotFound: an appender's bytes have been deleted or moved by someone else.
            DriverUnavailable: an appender's bytes could not be made durable.
        """
