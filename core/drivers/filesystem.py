"""A store in a directory, laid out so that `docker/distribution` can work on it too."""

import errno
import fcntl
import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar, get_args

from anyio import CapacityLimiter, to_thread

from core.drivers import atomic
from core.drivers.base import DriverReader, Entry, FileWriter, ObjectInfo, StorageDriver
from core.errors import (
    DriverError,
    DriverUnavailable,
    PathConflict,
    PathInvalid,
    PathNotFound,
    StorageFull,
    WriterBusy,
)

__all__ = ["FilesystemDriver"]

_INLINE_BYTES = 64 * 1024
"""Reads up to this size are done on the event loop: from the page cache they take microseconds,
less than a thread's turn."""

_TEMPORARY = re.compile(r"\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp\Z")
"""What a crash may leave beside a file, of this registry's making or the incumbent's."""

_MAX_THREADS = 64
_MAKE_ATTEMPTS = 8

Durability = Literal["full", "relaxed"]

T = TypeVar("T")


class FilesystemDriver(StorageDriver):
    """Files below a root directory.

    Args:
        root: is made at the first write.
        durability: `full` syncs every file, rename and new directory before a call returns.
            `relaxed` leaves that to the system: a crash of the machine may lose what was
            acknowledged in the last seconds, and a crash of the process loses nothing.
    """

    name = "filesystem"

    def __init__(self, root: str | os.PathLike[str], durability: Durability = "full") -> None:
        if durability not in get_args(Durability):
            raise ValueError(f"durability is one of {get_args(Durability)}, not {durability!r}")
        self._root = os.fspath(Path(root).absolute())
        self._durable = durability == "full"
        self._directories = atomic.DirectoryMaker(self._root, durable=self._durable)
        self._threads: CapacityLimiter | None = None

    async def get(self, path: str) -> bytes:
        async with await self.open_reader(path) as reader:
            chunks = []
            while chunk := await reader.read(max(reader.size, 1)):
                chunks.append(chunk)
            return b"".join(chunks)

    async def put(self, path: str, content: bytes) -> None:
        await self._in_thread(path, self._put, path, content)

    async def open_reader(self, path: str, start: int = 0, stop: int | None = None) -> DriverReader:
        with _driver_faults(path):
            descriptor = os.open(self._local(path), os.O_RDONLY | os.O_CLOEXEC)
            try:
                found = os.fstat(descriptor)
                if stat.S_ISDIR(found.st_mode):
                    raise PathNotFound(path)
                return _FilesystemReader(self, path, descriptor, found.st_size, start, stop)
            except BaseException:
                os.close(descriptor)
                raise

    async def open_writer(self, path: str) -> FileWriter:
        target = self._local(path)
        temporary = atomic.temporary_name(target)
        descriptor = await self._in_thread(path, self._create, path, temporary, os.O_EXCL)
        return _FilesystemWriter(self, path, temporary, descriptor)

    async def open_appender(self, path: str, *, create: bool = False) -> FileWriter:
        return await self._in_thread(path, self._open_appender, path, create)

    async def stat(self, path: str) -> ObjectInfo:
        with _driver_faults(path):
            found = os.stat(self._local(path))
        is_directory = stat.S_ISDIR(found.st_mode)
        return ObjectInfo(
            path=path,
            size=0 if is_directory else found.st_size,
            is_directory=is_directory,
            modified_at=datetime.fromtimestamp(found.st_mtime, UTC),
        )

    async def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        for entry in await self._in_thread(path, self._list, path, start_after):
            yield entry

    async def move(self, source: str, destination: str) -> None:
        if (await self.stat(source)).is_directory:
            raise PathNotFound(source)
        await self._in_thread(destination, self._move, source, destination)

    async def delete(self, path: str) -> None:
        await self._in_thread(
            path, partial(atomic.remove, self._local(path), durable=self._durable)
        )

    def _local(self, path: str) -> str:
        return self._root if path == "/" else self._root + path

    async def _in_thread(self, path: str, function: Callable[..., T], *args: object) -> T:
        # A thread that has begun always ends, also when its caller is cancelled, so that each
        # change to the disk happens whole.
        if self._threads is None:
            self._threads = CapacityLimiter(_MAX_THREADS)
        with _driver_faults(path):
            return await to_thread.run_sync(function, *args, limiter=self._threads)

    def _put(self, path: str, content: bytes) -> None:
        # The directory may be deleted, and the temporary file with it, before it has its name.
        for _ in range(_MAKE_ATTEMPTS):
            with suppress(FileNotFoundError):
                self._put_once(path, content)
                return
        raise DriverUnavailable(path, "its directory is deleted again and again")

    def _put_once(self, path: str, content: bytes) -> None:
        target = self._local(path)
        temporary = atomic.temporary_name(target)
        descriptor = self._create(path, temporary, os.O_EXCL)
        try:
            try:
                atomic.write_all(descriptor, content)
                if self._durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            atomic.replace(temporary, target, durable=self._durable)
        except BaseException:
            _discard(temporary)
            raise

    def _create(self, path: str, target: str, flags: int) -> int:
        flags |= os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        # The directory may be deleted between its making and its use.
        for _ in range(_MAKE_ATTEMPTS):
            with suppress(FileNotFoundError):
                self._make_parent(path, target)
                return os.open(target, flags, 0o666)
        raise DriverUnavailable(path, "its directory is deleted again and again")

    def _make_parent(self, path: str, target: str) -> None:
        try:
            self._directories.make(os.path.dirname(target))
        except NotADirectoryError:
            raise PathConflict(path) from None

    def _open_appender(self, path: str, create: bool) -> FileWriter:  # noqa: FBT001 - by position
        target = self._local(path)
        if create:
            descriptor = self._create(path, target, 0)
        else:
            try:
                descriptor = os.open(target, os.O_RDWR | os.O_CLOEXEC)
            except IsADirectoryError:
                raise PathNotFound(path) from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PathNotFound(path)
            _claim(path, target, descriptor)
            if create and self._durable:
                atomic.sync_directory(os.path.dirname(target))
            size = os.lseek(descriptor, 0, os.SEEK_END)
            return _FilesystemAppender(self, path, target, descriptor, size)
        except BaseException:
            os.close(descriptor)
            raise

    def _list(self, path: str, start_after: str) -> tuple[Entry, ...]:
        try:
            with os.scandir(self._local(path)) as scan:
                entries = [
                    Entry(name=item.name, is_directory=item.is_dir())
                    for item in scan
                    if item.name > start_after and not _is_temporary(item)
                ]
        except FileNotFoundError:
            if path != "/":
                raise
            return ()
        entries.sort(key=lambda entry: entry.name)
        return tuple(entries)

    def _move(self, source: str, destination: str) -> None:
        target = self._local(destination)
        for _ in range(_MAKE_ATTEMPTS):
            try:
                self._make_parent(destination, target)
                atomic.replace(self._local(source), target, durable=self._durable)
            except FileNotFoundError:
                if not os.path.lexists(self._local(source)):
                    raise PathNotFound(source) from None
            else:
                return
        raise DriverUnavailable(destination, "its directory is deleted again and again")


class _FilesystemReader(DriverReader):
    def __init__(
        self,
        driver: FilesystemDriver,
        path: str,
        descriptor: int,
        size: int,
        start: int,
        stop: int | None,
    ) -> None:
        self.size = size
        self._driver = driver
        self._path = path
        self._descriptor = descriptor
        self._position = start
        self._stop = size if stop is None else min(stop, size)

    async def read(self, max_bytes: int) -> bytes:
        wanted = min(max_bytes, self._stop - self._position)
        if wanted <= 0:
            return b""
        if wanted <= _INLINE_BYTES:
            with _driver_faults(self._path):
                chunk = os.pread(self._descriptor, wanted, self._position)
        else:
            chunk = await self._driver._in_thread(
                self._path, os.pread, self._descriptor, wanted, self._position
            )
        self._position += len(chunk)
        return chunk

    async def aclose(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


class _FilesystemWriter(FileWriter):
    """Writes a file beside its target, and renames it there on commit."""

    def __init__(
        self, driver: FilesystemDriver, path: str, temporary: str, descriptor: int
    ) -> None:
        self._driver = driver
        self._path = path
        self._temporary = temporary
        self._descriptor = descriptor
        self._size = 0
        self._committed = False

    @property
    def size(self) -> int:
        return self._size

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        _check_open(self._path, open=not self._committed and self._descriptor >= 0)
        await self._driver._in_thread(self._path, atomic.write_all, self._descriptor, chunk)
        self._size += len(chunk)

    async def commit(self) -> None:
        if not self._committed:
            _check_open(self._path, open=self._descriptor >= 0)
            await self._driver._in_thread(self._path, self._commit)
            self._committed = True

    async def cancel(self) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)
            if not self._committed:
                with _driver_faults(self._path):
                    _discard(self._temporary)

    def _commit(self) -> None:
        durable = self._driver._durable
        if durable:
            _sync(self._descriptor, self._temporary)
        target = self._driver._local(self._path)
        atomic.replace(self._temporary, target, durable=durable)


class _FilesystemAppender(FileWriter):
    """Writes at the end of its target, which it has locked."""

    def __init__(
        self, driver: FilesystemDriver, path: str, target: str, descriptor: int, size: int
    ) -> None:
        self._driver = driver
        self._path = path
        self._target = target
        self._descriptor = descriptor
        self._size = size
        self._committed = False

    @property
    def size(self) -> int:
        return self._size

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        _check_open(self._path, open=not self._committed and self._descriptor >= 0)
        await self._driver._in_thread(self._path, self._write, chunk)

    async def commit(self) -> None:
        if not self._committed:
            _check_open(self._path, open=self._descriptor >= 0)
            await self._driver._in_thread(self._path, self._sync)
            self._committed = True

    async def cancel(self) -> None:
        if self._descriptor >= 0:
            self._committed = True
            try:
                with suppress(PathNotFound):
                    await self._driver.delete(self._path)
            finally:
                await self.aclose()

    async def aclose(self) -> None:
        if self._descriptor < 0:
            return
        try:
            if not self._committed:
                await self._driver._in_thread(self._path, self._sync)
        finally:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._check_present()
        try:
            atomic.write_all(self._descriptor, chunk)
        finally:
            # After a write that failed midway the file tells how much of it is there.
            self._size = os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def _sync(self) -> None:
        self._check_present()
        if self._driver._durable:
            _sync(self._descriptor, self._target)

    def _check_present(self) -> None:
        # A file that was moved is a published blob by now, and must not be written to.
        if not os.path.samestat(os.fstat(self._descriptor), os.stat(self._target)):
            raise PathNotFound(self._path)


def _check_open(path: str, *, open: bool) -> None:  # noqa: A002 - reads as what it is
    if not open:
        raise DriverUnavailable(path, "the writer is committed or closed")


def _claim(path: str, target: str, descriptor: int) -> None:
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


def _is_temporary(item: os.DirEntry[str]) -> bool:
    return _TEMPORARY.search(item.name) is not None and item.is_file()


def _sync(descriptor: int, target: str) -> None:
    try:
        os.fsync(descriptor)
    except OSError:
        # The system has dropped what it could not write, and a later sync of the same file would
        # succeed without it: the content must be written again from its start.
        _discard(target)
        raise


def _discard(temporary: str) -> None:
    # The file may be gone: renamed before the sync that failed, or deleted with its directory.
    with suppress(FileNotFoundError):
        os.unlink(temporary)


@contextmanager
def _driver_faults(path: str) -> Iterator[None]:
    try:
        yield
    except DriverError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise PathNotFound(path) from None
    except IsADirectoryError:
        raise PathConflict(path) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(path) from error
        if error.errno == errno.ENAMETOOLONG:
            raise PathInvalid(path) from error
        name = errno.errorcode.get(error.errno or 0, "OSError")
        raise DriverUnavailable(path, name) from error
