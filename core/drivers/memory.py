"""A store that lives in this process and ends with it: for tests and for trying things out."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from core.drivers.base import DriverReader, Entry, FileWriter, ObjectInfo, StorageDriver
from core.errors import PathConflict, PathNotFound, WriterBusy

__all__ = ["MemoryDriver"]


class _File:
    """Content at a path, and whether an appender holds it. A new value is a new _File."""

    __slots__ = ("claimed", "content", "modified_at")

    def __init__(self, content: bytes | bytearray) -> None:
        self.content = content
        self.modified_at = datetime.now(UTC)
        self.claimed = False


class MemoryDriver(StorageDriver):
    """Files in a dictionary. Nothing awaits inside a change, so each is atomic by itself."""

    name = "memory"

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    async def get(self, path: str) -> bytes:
        return bytes(self._find(path).content)

    async def put(self, path: str, content: bytes) -> None:
        self._store(path, _File(bytes(content)))

    async def open_reader(self, path: str, start: int = 0, stop: int | None = None) -> DriverReader:
        return _MemoryReader(self._find(path).content, start, stop)

    async def open_writer(self, path: str) -> FileWriter:
        self._check_room(path)
        return _MemoryWriter(self, path)

    async def open_appender(self, path: str, *, create: bool = False) -> FileWriter:
        file = self._files.get(path)
        if file is None:
            if not create:
                raise PathNotFound(path)
            file = _File(bytearray())
            self._store(path, file)
        if file.claimed:
            raise WriterBusy(path)
        if not isinstance(file.content, bytearray):
            file.content = bytearray(file.content)
        file.claimed = True
        return _MemoryAppender(self, path, file, file.content)

    async def stat(self, path: str) -> ObjectInfo:
        file = self._files.get(path)
        if file is not None:
            return ObjectInfo(
                path=path,
                size=len(file.content),
                is_directory=False,
                modified_at=file.modified_at,
            )
        if path != "/" and not self._has_children(path):
            raise PathNotFound(path)
        return ObjectInfo(path=path, size=0, is_directory=True, modified_at=None)

    async def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        prefix = "/" if path == "/" else f"{path}/"
        children: dict[str, bool] = {}
        for stored in self._files:
            if stored.startswith(prefix):
                name, slash, _ = stored.removeprefix(prefix).partition("/")
                children[name] = bool(slash)
        if not children and path != "/":
            raise PathNotFound(path)
        for name in sorted(children):
            if name > start_after:
                yield Entry(name=name, is_directory=children[name])

    async def move(self, source: str, destination: str) -> None:
        file = self._find(source)
        self._store(destination, file)
        if destination != source:
            del self._files[source]

    async def delete(self, path: str) -> None:
        doomed = [stored for stored in self._files if f"{stored}/".startswith(f"{path}/")]
        if not doomed:
            raise PathNotFound(path)
        for stored in doomed:
            del self._files[stored]

    def _find(self, path: str) -> _File:
        try:
            return self._files[path]
        except KeyError:
            raise PathNotFound(path) from None

    def _store(self, path: str, file: _File) -> None:
        self._check_room(path)
        file.modified_at = datetime.now(UTC)
        self._files[path] = file

    def _check_room(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in self._files:
                raise PathConflict(path)
            parent = parent.rpartition("/")[0]
        if self._has_children(path):
            raise PathConflict(path)

    def _has_children(self, path: str) -> bool:
        return any(stored.startswith(f"{path}/") for stored in self._files)


class _MemoryReader(DriverReader):
    def __init__(self, content: bytes | bytearray, start: int, stop: int | None) -> None:
        self.size = len(content)
        self._content = content
        self._position = start
        self._stop = self.size if stop is None else min(stop, self.size)

    async def read(self, max_bytes: int) -> bytes:
        end = min(self._position + max_bytes, self._stop)
        chunk = bytes(self._content[self._position : end])
        self._position += len(chunk)
        return chunk

    async def aclose(self) -> None:
        self._content = b""


class _MemoryWriter(FileWriter):
    def __init__(self, driver: MemoryDriver, path: str) -> None:
        self._driver = driver
        self._path = path
        self._content = bytearray()
        self._committed = False

    @property
    def size(self) -> int:
        return len(self._content)

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._content += chunk

    async def flush(self) -> None:
        # What is not committed goes with this object.
        return

    async def commit(self) -> None:
        if not self._committed:
            await self._driver.put(self._path, bytes(self._content))
            self._committed = True

    async def cancel(self) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        # What was not committed goes with this object.
        return


class _MemoryAppender(FileWriter):
    def __init__(self, driver: MemoryDriver, path: str, file: _File, content: bytearray) -> None:
        self._driver = driver
        self._path = path
        self._file = file
        self._content = content
        self._closed = False
        self._committed = False

    @property
    def size(self) -> int:
        return len(self._content)

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._check_present()
        self._content += chunk
        self._file.modified_at = datetime.now(UTC)

    async def flush(self) -> None:
        self._check_present()

    async def commit(self) -> None:
        if not self._committed:
            self._check_present()
            self._committed = True

    async def cancel(self) -> None:
        if not self._closed and self._driver._files.get(self._path) is self._file:
            del self._driver._files[self._path]
        self._release()

    async def aclose(self) -> None:
        if not self._closed:
            self._release()
            if not self._committed:
                self._check_present()

    def _release(self) -> None:
        self._file.claimed = False
        self._closed = True

    def _check_present(self) -> None:
        if self._driver._files.get(self._path) is not self._file:
            raise PathNotFound(self._path)
