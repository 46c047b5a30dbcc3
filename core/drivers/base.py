"""The storage driver contract. `tests/contracts/driver.py` has a test for each sentence of it.

A path is absolute, its components are made of letters, digits, dots, underscores and dashes, and
none is `.` or `..`. The root `/` can be asked about and listed, never written. A file exists
where something was stored; a directory exists as long as something is stored below it, and a
driver may go on showing it when it has become empty.

Values are small and whole (`get`, `put`); content is streamed (`open_reader`, `open_writer`,
`open_appender`). A driver raises `DriverError` and nothing else. `CheckedDriver`, which wraps every
driver, sees to the grammar of paths and to writers that are used past their end, so that drivers
need not.

Every method may be called by many tasks at once, and other processes may work on the same store.
A call that is cancelled has happened whole or not at all, unless its docstring says otherwise.
"Durable" means that the change outlives a crash of the machine once the call has returned.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from anyio.abc import AsyncResource

__all__ = ["DriverReader", "Entry", "FileWriter", "ObjectInfo", "StorageDriver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What a store knows of one path.

    Attributes:
        path: the path that was asked about.
        size: in bytes; 0 for a directory.
        is_directory: whether things are stored below the path rather than at it.
        modified_at: when a file was last written, with its time zone; None for a directory of a
            store that does not know.
    """

    path: str
    size: int
    is_directory: bool
    modified_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name in a directory."""

    name: str
    is_directory: bool


class DriverReader(AsyncResource):
    """One range of a file, read from its start to its end.

    The file that was opened is the file that is read, whatever is moved, replaced or deleted
    meanwhile, or the read fails.

    Attributes:
        size: of the whole file in bytes, when it was opened.
    """

    size: int

    @abstractmethod
    async def read(self, max_bytes: int) -> bytes:
        """Return the next bytes of the range, at least one and at most `max_bytes`.

        Empty bytes mean that the range, or the file, has ended.

        Raises:
            DriverUnavailable: the store did not give the bytes.
        """


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

        A call that fails or is cancelled may have added a part of it.

        Raises:
            PathNotFound: what was written before has been deleted or moved by someone else.
            StorageFull: there is no room.
            DriverUnavailable: the store refused, or the writer is committed or closed.
        """

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


class StorageDriver(ABC):
    """Bytes at paths. The module's docstring has what holds for every method.

    Attributes:
        name: under which the driver is chosen in the settings.
    """

    name: str

    @abstractmethod
    async def get(self, path: str) -> bytes:
        """Return the whole content of a file; meant for small ones.

        Raises:
            PathNotFound: there is no file, or the path is a directory.
        """

    @abstractmethod
    async def put(self, path: str, content: bytes) -> None:
        """Store `content`, replacing what was there, atomically and durably.

        Directories are made as needed. A reader finds the old content or the whole new one.

        Raises:
            PathConflict: the path is a directory, or below a file.
            StorageFull: there is no room; the old content is unharmed.
        """

    @abstractmethod
    async def open_reader(self, path: str, start: int = 0, stop: int | None = None) -> DriverReader:
        """Open the bytes `[start, stop)` of a file; `stop` None is the end of the file.

        A range past the end is cut, or empty: that is no error.

        Raises:
            PathNotFound: there is no file.
            OffsetInvalid: `start` is negative, or `stop` is before `start`.
        """

    @abstractmethod
    async def open_writer(self, path: str) -> FileWriter:
        """Begin a new value for `path`, which replaces the old one when it is committed.

        Several writers of one path do not see each other; the last commit stands.

        Raises:
            PathConflict: the path is below a file.
        """

    @abstractmethod
    async def open_appender(self, path: str, *, create: bool = False) -> FileWriter:
        """Claim `path` and go on behind the bytes that an earlier appender left there.

        The claim holds against every other appender of the path, in other processes too, and
        ends with the writer, or with the process. With `create`, an upload begins with no bytes.
        Whether uncommitted bytes can be read at the path is up to the driver, but `stat` finds
        them and tells their number.

        Raises:
            PathNotFound: there is no file, and `create` was not said.
            PathConflict: with `create`, the path is a directory, or below a file.
            WriterBusy: another appender holds the path.
        """

    @abstractmethod
    async def stat(self, path: str) -> ObjectInfo:
        """Return what is known of a file or directory.

        Raises:
            PathNotFound: nothing is there. The root may be missing as long as it is empty.
        """

    @abstractmethod
    def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        """Yield the direct children of a directory in byte order of their names.

        Only names greater than `start_after` are given, and it need not exist. Entries that are
        made or deleted meanwhile may or may not be seen; all others are seen once.

        Raises:
            PathNotFound: there is no such directory. The root can always be listed.
        """

    @abstractmethod
    async def move(self, source: str, destination: str) -> None:
        """Make the content of the file `source` that of `destination`, and remove `source`.

        The destination is replaced; directories are made as needed. The destination changes
        atomically and durably; a crash may leave `source` beside it where the store has no
        rename.

        Raises:
            PathNotFound: `source` is missing or a directory; `destination` is untouched.
            PathConflict: the destination is a directory, or below a file.
        """

    @abstractmethod
    async def delete(self, path: str) -> None:
        """Delete a file, or a directory with all below it, durably. `/a` does not take `/ab`.

        A directory's delete that fails or is cancelled may have removed a part of it.

        Raises:
            PathNotFound: nothing is there.
        """

    async def aclose(self) -> None:
        """Release connections and the like. A second call does nothing."""
        return
