"""The wrapper around every driver: what callers may ask, and the names of faults."""

import functools
import re
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType

from core.drivers.base import (
    DriverReader,
    Entry,
    FileWriter,
    ObjectInfo,
    RedirectMethod,
    StorageDriver,
    Unfinished,
)
from core.drivers.changes import Barrier, Change, Move, MoveOut
from core.errors import DriverError, DriverUnavailable, OffsetInvalid, PathInvalid

__all__ = ["CheckedDriver"]

_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)+")
_MAX_KNOWN = 4096
"""Paths that are known to be within the grammar, so that those in use are not looked at again."""


class CheckedDriver(StorageDriver):
    """A driver whose callers may give it any text as a path, and whose faults tell who raised them.

    Every call checks its paths, stamps the driver's name on each `DriverError`, and turns any
    other exception into `DriverUnavailable`, with the original as its cause.
    """

    def __init__(self, driver: StorageDriver) -> None:
        self.driver = driver
        self.name = driver.name
        self.flat = driver.flat
        self.gives_urls = driver.gives_urls
        self.questions_at_once = driver.questions_at_once

    async def get(self, path: str) -> bytes:
        # As in `stat`, without a context manager, which costs more than the small call it is for.
        if not _is_path(path):
            raise _invalid(self.name, path)
        try:
            return await self.driver.get(path)
        except Exception as error:
            _name_fault(self.name, path, error)
            raise

    async def put(self, path: str, content: bytes) -> None:
        with self._named_faults(path):
            await self.driver.put(path, content)

    async def open_reader(self, path: str, start: int = 0, stop: int | None = None) -> DriverReader:
        with self._named_faults(path):
            if start < 0:
                raise OffsetInvalid(path, start)
            if stop is not None and stop < start:
                raise OffsetInvalid(path, stop)
            return _CheckedReader(self, path, await self.driver.open_reader(path, start, stop))

    async def open_writer(self, path: str) -> FileWriter:
        with self._named_faults(path):
            return _CheckedWriter(self, path, await self.driver.open_writer(path))

    async def open_appender(self, path: str, *, create: bool = False) -> FileWriter:
        with self._named_faults(path):
            writer = await self.driver.open_appender(path, create=create)
            return _CheckedWriter(self, path, writer)

    async def create_upload(self, path: str) -> None:
        with self._named_faults(path):
            await self.driver.create_upload(path)

    async def stat(self, path: str) -> ObjectInfo:
        if not _is_path(path) and path != "/":
            raise _invalid(self.name, path)
        try:
            return await self.driver.stat(path)
        except Exception as error:
            _name_fault(self.name, path, error)
            raise

    async def stat_upload(self, path: str) -> ObjectInfo:
        with self._named_faults(path):
            return await self.driver.stat_upload(path)

    async def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        with self._named_faults(path, root_allowed=True):
            async for entry in self.driver.list(path, start_after):
                # What no path can name was put there by another program.
                if _PATH.fullmatch(f"/{entry.name}") is not None:
                    yield entry

    async def move(self, source: str, destination: str) -> None:
        with self._named_faults(source), self._named_faults(destination):
            await self.driver.move(source, destination)

    async def copy(self, source: str, destination: str) -> None:
        with self._named_faults(source), self._named_faults(destination):
            await self.driver.copy(source, destination)

    async def delete(self, path: str) -> None:
        with self._named_faults(path):
            await self.driver.delete(path)

    async def apply(self, changes: Sequence[Change]) -> None:
        paths = [path for change in changes for path in _paths(change)]
        for path in paths:
            with self._named_faults(path):
                pass
        if paths:
            with self._named_faults(paths[0]):
                await self.driver.apply(changes)

    async def redirect_url(self, path: str, method: RedirectMethod) -> str | None:
        with self._named_faults(path):
            return await self.driver.redirect_url(path, method)

    async def list_unfinished(self, path: str) -> AsyncIterator[Unfinished]:
        with self._named_faults(path, root_allowed=True):
            async for unfinished in self.driver.list_unfinished(path):
                # What no path can name was put there by another program.
                if _PATH.fullmatch(unfinished.path) is not None:
                    yield unfinished

    async def discard(self, unfinished: Unfinished) -> None:
        with self._named_faults(unfinished.path):
            await self.driver.discard(unfinished)

    async def aclose(self) -> None:
        await self.driver.aclose()

    def _named_faults(self, path: str, *, root_allowed: bool = False) -> "_NamedFaults":
        return _NamedFaults(self.name, path, root_allowed=root_allowed)


class _NamedFaults:
    """Checks a path on entry, and names the faults of what is done with it.

    A class, as it is entered for every call: a generator would take three times as long.
    """

    __slots__ = ("_driver", "_path", "_root_allowed")

    def __init__(self, driver: str, path: str, *, root_allowed: bool) -> None:
        self._driver = driver
        self._path = path
        self._root_allowed = root_allowed

    def __enter__(self) -> None:
        if not _is_path(self._path) and not (self._root_allowed and self._path == "/"):
            raise _invalid(self._driver, self._path)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, Exception):
            _name_fault(self._driver, self._path, exc)


@functools.lru_cache(_MAX_KNOWN)
def _is_path(text: str) -> bool:
    return _PATH.fullmatch(text) is not None


def _invalid(driver: str, path: str) -> PathInvalid:
    fault = PathInvalid(path)
    fault.driver = driver
    return fault


def _name_fault(driver: str, path: str, error: Exception) -> None:
    """Put the name of the driver on its fault, and raise anything else as one."""
    if isinstance(error, DriverError):
        error.driver = driver
        return
    fault = DriverUnavailable(path, f"{type(error).__name__}: {error}")
    fault.driver = driver
    raise fault from error


class _CheckedReader(DriverReader):
    def __init__(self, owner: CheckedDriver, path: str, reader: DriverReader) -> None:
        self._owner = owner
        self._path = path
        self._reader = reader
        self.size = reader.size

    async def read(self, max_bytes: int) -> bytes | memoryview:
        with self._owner._named_faults(self._path):
            return await self._reader.read(max_bytes)

    def find_descriptor(self) -> int | None:
        return self._reader.find_descriptor()

    async def aclose(self) -> None:
        with self._owner._named_faults(self._path):
            await self._reader.aclose()


class _CheckedWriter(FileWriter):
    """A writer that its driver is asked nothing of once it is committed or closed."""

    def __init__(self, owner: CheckedDriver, path: str, writer: FileWriter) -> None:
        self._owner = owner
        self._path = path
        self._writer = writer
        self._committed = False
        self._closed = False

    @property
    def size(self) -> int:
        return self._writer.size

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        with self._owner._named_faults(self._path):
            self._check(usable=not self._committed and not self._closed)
            await self._writer.write(chunk)

    async def write_and(self, chunk: memoryview, then: Callable[[memoryview], object]) -> None:
        with self._owner._named_faults(self._path):
            self._check(usable=not self._committed and not self._closed)
            await self._writer.write_and(chunk, then)

    async def flush(self) -> None:
        with self._owner._named_faults(self._path):
            self._check(usable=not self._committed and not self._closed)
            await self._writer.flush()

    async def write_durably(self, chunk: bytes | bytearray | memoryview) -> None:
        with self._owner._named_faults(self._path):
            self._check(usable=not self._committed and not self._closed)
            await self._writer.write_durably(chunk)

    async def commit(self) -> None:
        if not self._committed:
            with self._owner._named_faults(self._path):
                self._check(usable=not self._closed)
                await self._writer.commit()
            self._committed = True

    async def cancel(self) -> None:
        if not self._closed:
            self._closed = True
            with self._owner._named_faults(self._path):
                await self._writer.cancel()

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            with self._owner._named_faults(self._path):
                await self._writer.aclose()

    def _check(self, *, usable: bool) -> None:
        if not usable:
            raise DriverUnavailable(self._path, "the writer is committed or closed")


def _paths(change: Change) -> tuple[str, ...]:
    """Return the paths that a change is about."""
    match change:
        case Barrier():
            return ()
        case Move(source, destination) | MoveOut(source, destination):
            return (source, destination)
        case _:
            return (change.path,)
