"""Open files of a local file system: one read, one on its way to its name, one that grows."""

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from core.drivers.base import DriverReader, FileWriter
from core.drivers.filesystem import atomic
from core.drivers.filesystem.calls import Threads, driver_faults
from core.drivers.filesystem.durable import DurableFiles
from core.drivers.filesystem.group import GroupMember
from core.drivers.filesystem.joined_calls import JoinedCalls
from core.drivers.filesystem.write_back import WriteBack
from core.errors import PathNotFound, WriterBusy

__all__ = ["LocalAppender", "LocalReader", "LocalWriter", "claim", "claim_regular"]

_INLINE_BYTES = 64 * 1024
"""Reads up to this size are done on the event loop: from the page cache they take microseconds,
less than a thread's turn."""


class LocalReader(DriverReader):
    """Reads a file that it keeps open, whatever becomes of its name."""

    def __init__(
        self,
        threads: Threads,
        path: str,
        descriptor: int,
        size: int,
        start: int,
        stop: int | None,
    ) -> None:
        self.size = size
        self._threads = threads
        self._path = path
        self._descriptor = descriptor
        self._position = start
        self._stop = size if stop is None else min(stop, size)

    async def read(self, max_bytes: int) -> bytes:
        wanted = min(max_bytes, self._stop - self._position)
        if wanted <= 0:
            return b""
        if wanted <= _INLINE_BYTES:
            with driver_faults(self._path):
                chunk = os.pread(self._descriptor, wanted, self._position)
        else:
            chunk = await self._threads.run(
                self._path, os.pread, self._descriptor, wanted, self._position
            )
        self._position += len(chunk)
        return chunk

    def find_descriptor(self) -> int | None:
        return self._descriptor if self._descriptor >= 0 else None

    async def aclose(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


class _OpenFile:
    """A descriptor that threads use in turn, and that is closed when none does.

    A task can be cancelled in ways that leave its thread running. Closing waits for that thread:
    the number of a descriptor that is closed is soon that of another file, and would be written
    to. A file that nobody holds any more is closed, and with it goes its lock.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._in_use = threading.Lock()

    def __enter__(self) -> int:
        self._in_use.acquire()
        if self.closed:
            self._in_use.release()
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        self._in_use.release()

    def __del__(self) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        return self._descriptor < 0

    def close(self) -> bool:
        """Close the file; say whether it was open."""
        with self._in_use:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        return descriptor >= 0


class LocalWriter(FileWriter):
    """Writes a file beside its target, and renames it there on commit."""

    def __init__(
        self,
        threads: Threads,
        path: str,
        *,
        temporary: str,
        target: str,
        descriptor: int,
        durable: bool,
    ) -> None:
        self._threads = threads
        self._path = path
        self._temporary = temporary
        self._target = target
        self._durable = durable
        self._file = _OpenFile(descriptor)
        self._write_back = WriteBack(0)
        self._size = 0
        self._committed = False

    @property
    def size(self) -> int:
        return self._size

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        await self._threads.run(self._path, self._write, chunk)

    async def write_and(self, chunk: memoryview, then: Callable[[memoryview], object]) -> None:
        await self._threads.run(self._path, _in_turn, self._write, then, chunk)

    async def flush(self) -> None:
        # Without a commit the file is gone anyway.
        return

    async def commit(self) -> None:
        if not self._committed:
            await self._threads.run(self._path, self._commit)
            self._committed = True

    async def cancel(self) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._file.close() and not self._committed:
            with driver_faults(self._path):
                atomic.discard(self._temporary)

    def _write(self, chunk: bytes | bytearray | memoryview) -> None:
        with self._file as descriptor:
            self._write_back.write(descriptor, chunk)
            self._size += len(chunk)
            if self._durable:
                self._write_back.advance(descriptor, self._size)

    def _commit(self) -> None:
        with self._file as descriptor:
            if self._durable:
                atomic.sync_content(descriptor, self._temporary)
                self._write_back.end(descriptor, self._size)
            atomic.replace(self._temporary, self._target, durable=self._durable)


class LocalAppender(FileWriter):
    """Writes at the end of its target, which it has locked."""

    def __init__(
        self,
        threads: Threads,
        path: str,
        *,
        target: str,
        descriptor: int,
        size: int,
        durable: bool,
        durable_files: DurableFiles,
        commits: JoinedCalls[GroupMember],
    ) -> None:
        self._threads = threads
        self._path = path
        self._target = target
        self._durable = durable
        self._file = _OpenFile(descriptor)
        self._write_back = WriteBack(size)
        self._size = size
        self._durable_files = durable_files
        self._commits = commits
        # What an earlier process has written may not be on the disk yet, nor may its name.
        self._has_durable_name = durable_files.knows(target, os.fstat(descriptor))
        self._synced = size == 0 or self._has_durable_name
        self._committed = False

    @property
    def size(self) -> int:
        return self._size

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        await self._threads.run(self._path, self._write, chunk)

    async def write_and(self, chunk: memoryview, then: Callable[[memoryview], object]) -> None:
        await self._threads.run(self._path, _in_turn, self._write, then, chunk)

    async def write_durably(self, chunk: bytes | bytearray | memoryview) -> None:
        if len(chunk) <= _INLINE_BYTES:
            await self._commits.run(_DurableWrite(self, self._path, chunk))
        else:
            await self._threads.run(self._path, self._write_and_sync, chunk)

    async def flush(self) -> None:
        if self._synced:
            # Nothing waits for the disk.
            with driver_faults(self._path):
                self._sync()
        else:
            await self._threads.run(self._path, self._sync)

    async def commit(self) -> None:
        if not self._committed:
            await self.flush()
            self._committed = True

    async def cancel(self) -> None:
        if not self._file.closed:
            self._committed = True
            try:
                with suppress(PathNotFound):
                    await self._threads.run(
                        self._path, partial(atomic.remove, self._target, durable=self._durable)
                    )
            finally:
                await self.aclose()

    async def aclose(self) -> None:
        try:
            if not (self._file.closed or self._committed):
                await self.flush()
        finally:
            self._file.close()

    def _write(self, chunk: bytes | bytearray | memoryview) -> None:
        with self._file as descriptor:
            self._add(descriptor, chunk)

    def _add(self, descriptor: int, chunk: bytes | bytearray | memoryview) -> None:
        self._check_present(descriptor)
        self._synced = False
        try:
            self._write_back.write(descriptor, chunk)
        finally:
            # After a write that failed midway the file tells how much of it is there.
            self._size = os.lseek(descriptor, 0, os.SEEK_CUR)
        if self._durable:
            self._write_back.advance(descriptor, self._size)

    def _write_and_sync(self, chunk: bytes | bytearray | memoryview) -> None:
        self._write(chunk)
        self._sync()

    def _sync(self) -> None:
        with self._file as descriptor:
            self._check_present(descriptor)
            if self._durable and not self._synced:
                # Whoever writes while this syncs leaves another state behind.
                state = os.fstat(descriptor)
                atomic.sync_content(descriptor, self._target)
                self._note_durable(state)
                self._write_back.end(descriptor, self._size)
            self._synced = True

    def _note_durable(self, state: os.stat_result) -> None:
        if self._has_durable_name:
            self._durable_files.remember(self._target, state)

    def _check_present(self, descriptor: int) -> None:
        # A file that was moved is a published blob by now, and must not be written to.
        if not os.path.samestat(os.fstat(descriptor), os.stat(self._target)):
            raise PathNotFound(self._path)


class _DurableWrite:
    """What `LocalAppender.write_durably` does with little, as one of a group."""

    pending = None

    def __init__(
        self, appender: LocalAppender, path: str, chunk: bytes | bytearray | memoryview
    ) -> None:
        self.path = path
        self._appender = appender
        self._chunk = chunk
        self._descriptor = -1
        self._state: os.stat_result | None = None

    def prepare(self) -> None:
        with driver_faults(self.path):
            self._descriptor = self._appender._file.__enter__()
            self._appender._add(self._descriptor, self._chunk)

    def unsynced(self) -> list[int]:
        if not self._appender._durable:
            return []
        self._state = os.fstat(self._descriptor)
        return [self._descriptor]

    def settle(self, faults: Sequence[OSError | None]) -> None:
        for fault in faults:
            if fault is not None:
                # As in `atomic.sync_content`: a later sync would succeed without the content.
                atomic.discard(self._appender._target)
                with driver_faults(self.path):
                    raise fault
        if self._state is not None:
            self._appender._note_durable(self._state)
        self._appender._synced = True

    def advance(self) -> bool:
        return False

    def note_durable(self) -> None:
        return

    def finish(self) -> None:
        if self._descriptor >= 0:
            self._appender._file.__exit__()


def _in_turn(
    write: Callable[[memoryview], None], then: Callable[[memoryview], object], chunk: memoryview
) -> None:
    write(chunk)
    then(chunk)


def claim(path: str, target: str, descriptor: int) -> None:
    """Lock an open file, and see that it still is the one at its path.

    Another process may have moved or deleted it between the opening and the locking: the bytes
    of a blob that was published meanwhile must not be written to.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WriterBusy(path) from None
    if not os.path.samestat(os.fstat(descriptor), os.stat(target)):
        raise PathNotFound(path)


def claim_regular(path: str, target: str, descriptor: int) -> None:
    """Do what `claim` does, if the file is one that can be gone on with.

    Raises:
        PathNotFound: it is a directory, or of some special kind.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise PathNotFound(path)
    claim(path, target, descriptor)
