"""The storage driver contract. `tests/contracts/driver` has a test for each sentence of it.

A path is absolute, its components are made of letters, digits, dots, underscores and dashes, and
none is `.` or `..`. The root `/` can be asked about and listed, never written. A file exists
where something was stored; a directory exists as long as something is stored below it, and a
driver may go on showing it when it has become empty.

Values are small and whole (`get`, `put`); content is streamed (`open_reader`, `open_writer`,
`open_appender`; `core/drivers/streams.py` has what they give). A driver raises `DriverError` and
nothing else. `CheckedDriver`, which wraps every driver, sees to the grammar of paths and to
writers that are used past their end, so that drivers need not.

Every method may be called by many tasks at once, and other processes may work on the same store.
A call that is cancelled has happened whole or not at all, unless its docstring says otherwise.
"Durable" means that the change outlives a crash of the machine once the call has returned.

A store may be a tree of directories, or it may be flat, as object stores are: keys that only look
like paths. In a flat store a file and a directory can share a path, and neither harms the other:
`get`, `stat` and the like see the file, `list` sees the directory, `delete` takes both. So it
never raises `PathConflict`, which it could not know of without asking about every parent. It has
no rename either: a `move` costs as much as a copy.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, assert_never

import structlog
from anyio import CancelScope
from anyio.lowlevel import checkpoint_if_cancelled

from core.drivers.changes import (
    Barrier,
    BeginUpload,
    Change,
    CleanUp,
    Delete,
    Fill,
    Move,
    MoveOut,
    Put,
)
from core.drivers.streams import DriverReader, FileWriter
from core.errors import DriverError, DriverUnavailable, PathNotFound

__all__ = [
    "DriverReader",
    "Entry",
    "FileWriter",
    "ObjectInfo",
    "RedirectMethod",
    "StorageDriver",
    "Unfinished",
]

_log = structlog.get_logger()

_COPY_BYTES = 1024 * 1024

RedirectMethod = Literal["GET", "HEAD"]


class ObjectInfo(NamedTuple):
    """What a store knows of one path.

    A tuple, as that is made in a third of the time, for every blob that is asked for.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What one writer or appender has stored and not committed, or what its crash has left.

    Attributes:
        path: for which it was written.
        key: tells it from other unfinished content of the same path; only its driver reads it.
        size: in bytes, of what the store keeps.
        started_at: when it was begun, with its time zone.
    """

    path: str
    key: str
    size: int
    started_at: datetime


class StorageDriver(ABC):
    """Bytes at paths. The module's docstring has what holds for every method.

    Attributes:
        name: under which the driver is chosen in the settings.
        flat: whether the store is one of keys, without directories and without rename.
        gives_urls: whether `redirect_url` is worth asking; if not, its answer is None.
        questions_at_once: how many calls at once save time: 1 where the answer is at hand, more
            where each call is a round trip.
    """

    name: str
    flat: bool = False
    gives_urls: bool = True
    questions_at_once: int = 1

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
        ends with the writer, or with the process; a store that cannot know that a process has
        died ends it after a time without a sign of life. With `create`, an upload begins with no
        bytes. Whether uncommitted bytes can be read, listed or moved is up to the driver, but
        `stat_upload` tells their number, and `delete` takes them.

        What was committed at the path, and not moved since, can be gone on with too.

        Raises:
            PathNotFound: there is no file, and `create` was not said.
            PathConflict: with `create`, the path is a directory, or below a file.
            WriterBusy: another appender holds the path.
        """

    async def create_upload(self, path: str) -> None:
        """Begin an upload with no bytes, which is claimed by nobody, durably.

        What an upload at the path held already, it may hold or not.

        Raises:
            PathConflict: the path is a directory, or below a file.
            WriterBusy: an appender holds the path. A flat store need not ask, which would cost
                a request: the paths of uploads are new.
        """
        async with await self.open_appender(path, create=True):
            pass

    @abstractmethod
    async def stat(self, path: str) -> ObjectInfo:
        """Return what is known of a file or directory.

        Raises:
            PathNotFound: nothing is there. The root may be missing as long as it is empty.
        """

    async def stat_upload(self, path: str) -> ObjectInfo:
        """Return what is known of a file as appenders have left it, committed or not.

        Raises:
            PathNotFound: no appender has begun one, or it is gone.
        """
        return await self.stat(path)

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
        atomically and durably. In a flat store a crash may leave `source` beside it, and two
        moves of one source at once may both find it.

        Raises:
            PathNotFound: `source` is missing or a directory; `destination` is untouched.
            PathConflict: the destination is a directory, or below a file.
        """

    async def copy(self, source: str, destination: str) -> None:
        """Make the content of the file `source` that of `destination` too.

        The destination is replaced, atomically and durably; directories are made as needed. A
        flat store does this without moving a byte to here and back.

        Raises:
            PathNotFound: `source` is missing or a directory; `destination` is untouched.
            PathConflict: the destination is a directory, or below a file.
        """
        async with (
            await self.open_reader(source) as reader,
            await self.open_writer(destination) as writer,
        ):
            while chunk := await reader.read(_COPY_BYTES):
                await writer.write(chunk)
            if writer.size != reader.size:
                raise DriverUnavailable(source, "it was not read whole")
            await writer.commit()

    @abstractmethod
    async def delete(self, path: str) -> None:
        """Delete a file, or a directory with all below it, durably. `/a` does not take `/ab`.

        A directory's delete that fails or is cancelled may have removed a part of it.

        Raises:
            PathNotFound: nothing is there.
        """

    async def apply(self, changes: Sequence[Change]) -> None:
        """Make several changes, which are seen in their order and durable once this returns.

        Each change is seen whole or not at all, as by the method that its class names, and they
        cost less together than one by one. After a crash of the machine any of them may be there
        or not, as long as this has not returned; but behind a `Barrier` nothing is seen, and so
        nothing is there after a crash, before all that stands in front of it is durable.

        When a change fails, its fault is raised. Changes before it may have happened; of those
        behind it none has, except that directories may have been made for them. A call that is
        cancelled is carried through, or has not begun.

        Raises:
            DriverError: the fault of one change that failed, as its method raises it.
        """
        await checkpoint_if_cancelled()
        with CancelScope(shield=True):
            for change in changes:
                await self._change(change)

    async def _change(self, change: Change) -> None:
        match change:
            case Put(path, content) | Fill(path, content):
                await self.put(path, content)
            case Move(source, destination):
                await self.move(source, destination)
            case MoveOut(source, destination):
                await self.move(source, destination)
                await self._clean_up(source.rpartition("/")[0])
            case BeginUpload(path):
                await self.create_upload(path)
            case Delete(path, missing_ok):
                with suppress(PathNotFound) if missing_ok else nullcontext():
                    await self.delete(path)
            case CleanUp(path):
                await self._clean_up(path)
            case Barrier():
                # Whatever stands before it has returned, and so is durable.
                return
            case _:
                assert_never(change)

    async def _clean_up(self, path: str) -> None:
        try:
            await self._delete_leftovers(path)
        except PathNotFound:
            return
        except DriverError as error:
            _log.warning("leftovers were not deleted", path=path, reason=str(error))

    async def _delete_leftovers(self, path: str) -> None:
        """Delete what nobody needs, for `CleanUp`, which forgives what is overlooked."""
        await self.delete(path)

    async def redirect_url(self, path: str, method: RedirectMethod) -> str | None:
        """Return a URL at which anyone may read the file for some minutes, or None.

        None means that the store has no such URLs, or is set up not to give them. Whether the
        file is there is not looked up. The URL is good for one method, and for any range.
        """
        return None

    async def list_unfinished(self, path: str) -> AsyncIterator[Unfinished]:
        """Yield the unfinished content at and below a directory, of living writers too.

        That is all that `list` does not show and `delete` of its path may not take, and that only
        costs room. In no order; what comes or goes meanwhile may or may not be seen.
        """
        nothing: tuple[Unfinished, ...] = ()
        for unfinished in nothing:
            yield unfinished

    async def discard(self, unfinished: Unfinished) -> None:
        """Delete unfinished content; its writer, should it still live, fails.

        Raises:
            PathNotFound: it is committed or gone.
        """
        raise PathNotFound(unfinished.path)

    async def aclose(self) -> None:
        """Release connections and the like. A second call does nothing."""
        return
