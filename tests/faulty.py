"""A driver that does as it is told: fails, stalls, crashes or is overtaken at any call."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from anyio import CancelScope
from anyio.lowlevel import checkpoint_if_cancelled

from core.drivers import (
    Barrier,
    BeginUpload,
    Change,
    CleanUp,
    Delete,
    DriverReader,
    Entry,
    FileWriter,
    Fill,
    Move,
    MoveOut,
    ObjectInfo,
    Put,
    RedirectMethod,
    StorageDriver,
    Unfinished,
)
from core.errors import DriverError, DriverUnavailable, StorageFull

__all__ = ["Call", "Crash", "FaultyDriver", "FullDriver", "failing", "fails_at"]


_METHODS = {
    Put: "put",
    Fill: "put",
    Move: "move",
    MoveOut: "move",
    Delete: "delete",
    CleanUp: "delete",
    BeginUpload: "create_upload",
}


class Crash(BaseException):
    """The process ends here: nothing may catch this to go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One moment of one call of a driver or of its writers.

    Attributes:
        number: from 0, counted over all calls of the driver.
        method: such as `put`, or `appender.write`; of a change that `apply` makes, the method
            that makes such a change.
        path: that it is about; of a move, its destination.
        moment: `before` the store has been asked, or `after` it has done what was asked.
    """

    number: int
    method: str
    path: str
    moment: Literal["before", "after"]


T = TypeVar("T")

OnCall = Callable[[Call], Awaitable[None]]


def fails_at(number: int, moment: str, fault: Callable[[], BaseException]) -> OnCall:
    """Return what raises `fault()` at one moment of one call."""

    async def on_call(call: Call) -> None:
        if (call.number, call.moment) == (number, moment):
            raise fault()

    return on_call


def failing(method: str, path_end: str = "") -> OnCall:
    """Return what makes every call of a method at paths with this end fail before it begins."""

    async def on_call(call: Call) -> None:
        if call.method == method and call.path.endswith(path_end) and call.moment == "before":
            raise DriverUnavailable(call.path, "told to fail")

    return on_call


class FaultyDriver(StorageDriver):
    """A driver that awaits `on_call` before and after each call of the one inside.

    Attributes:
        calls: the calls so far, as `method path`.
        on_call: may be changed at any time.
    """

    def __init__(self, driver: StorageDriver, on_call: OnCall | None = None) -> None:
        self.driver = driver
        self.name = driver.name
        self.flat = driver.flat
        self.gives_urls = driver.gives_urls
        self.questions_at_once = driver.questions_at_once
        self.on_call = on_call
        self.calls: list[str] = []

    async def get(self, path: str) -> bytes:
        return await self.step("get", path, lambda: self.driver.get(path))

    async def put(self, path: str, content: bytes) -> None:
        await self.step("put", path, lambda: self.driver.put(path, content))

    async def open_reader(self, path: str, start: int = 0, stop: int | None = None) -> DriverReader:
        reader = await self.step(
            "open_reader", path, lambda: self.driver.open_reader(path, start, stop)
        )
        return _Reader(self, path, reader)

    async def open_writer(self, path: str) -> FileWriter:
        writer = await self.step("open_writer", path, lambda: self.driver.open_writer(path))
        return _Writer(self, path, writer)

    async def open_appender(self, path: str, *, create: bool = False) -> FileWriter:
        writer = await self.step(
            "open_appender", path, lambda: self.driver.open_appender(path, create=create)
        )
        return _Writer(self, path, writer)

    async def create_upload(self, path: str) -> None:
        await self.step("create_upload", path, lambda: self.driver.create_upload(path))

    async def stat(self, path: str) -> ObjectInfo:
        return await self.step("stat", path, lambda: self.driver.stat(path))

    async def stat_upload(self, path: str) -> ObjectInfo:
        return await self.step("stat_upload", path, lambda: self.driver.stat_upload(path))

    async def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        async def collect() -> list[Entry]:
            return [entry async for entry in self.driver.list(path, start_after)]

        for entry in await self.step("list", path, collect):
            yield entry

    async def move(self, source: str, destination: str) -> None:
        await self.step("move", destination, lambda: self.driver.move(source, destination))

    async def copy(self, source: str, destination: str) -> None:
        await self.step("copy", destination, lambda: self.driver.copy(source, destination))

    async def delete(self, path: str) -> None:
        await self.step("delete", path, lambda: self.driver.delete(path))

    async def apply(self, changes: Sequence[Change]) -> None:
        # One by one, so that anything can happen between any two of them. As the contract says,
        # that does not include being cancelled.
        await checkpoint_if_cancelled()
        with CancelScope(shield=True):
            for change in changes:
                if isinstance(change, Barrier):
                    continue
                act = partial(self.driver.apply, [change])
                with suppress(DriverError) if isinstance(change, CleanUp) else nullcontext():
                    await self.step(_METHODS[type(change)], change.path, act)

    async def redirect_url(self, path: str, method: RedirectMethod) -> str | None:
        return await self.step("redirect_url", path, lambda: self.driver.redirect_url(path, method))

    async def list_unfinished(self, path: str) -> AsyncIterator[Unfinished]:
        async def collect() -> list[Unfinished]:
            return [unfinished async for unfinished in self.driver.list_unfinished(path)]

        for unfinished in await self.step("list_unfinished", path, collect):
            yield unfinished

    async def discard(self, unfinished: Unfinished) -> None:
        await self.step("discard", unfinished.path, lambda: self.driver.discard(unfinished))

    async def step(self, method: str, path: str, act: Callable[[], Awaitable[T]]) -> T:
        number = len(self.calls)
        self.calls.append(f"{method} {path}")
        if self.on_call is not None:
            await self.on_call(Call(number=number, method=method, path=path, moment="before"))
        result = await act()
        if self.on_call is not None:
            try:
                await self.on_call(Call(number=number, method=method, path=path, moment="after"))
            except BaseException:
                # What nobody was given is let go, as a driver does that is cancelled, and as the
                # system does for a process that has died.
                if isinstance(result, DriverReader | FileWriter):
                    with CancelScope(shield=True):
                        await result.aclose()
                raise
        return result


class _Reader(DriverReader):
    def __init__(self, owner: FaultyDriver, path: str, reader: DriverReader) -> None:
        self._owner = owner
        self._path = path
        self._reader = reader
        self.size = reader.size

    async def read(self, max_bytes: int) -> bytes | memoryview:
        return await self._owner.step(
            "reader.read", self._path, lambda: self._reader.read(max_bytes)
        )

    async def aclose(self) -> None:
        await self._reader.aclose()


class _Writer(FileWriter):
    def __init__(self, owner: FaultyDriver, path: str, writer: FileWriter) -> None:
        self._owner = owner
        self._path = path
        self._writer = writer

    @property
    def size(self) -> int:
        return self._writer.size

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        await self._owner.step("writer.write", self._path, lambda: self._writer.write(chunk))

    async def write_durably(self, chunk: bytes | bytearray | memoryview) -> None:
        # Anything can happen between the two.
        await self.write(chunk)
        await self.flush()

    async def flush(self) -> None:
        await self._owner.step("writer.flush", self._path, self._writer.flush)

    async def commit(self) -> None:
        await self._owner.step("writer.commit", self._path, self._writer.commit)

    async def cancel(self) -> None:
        await self._owner.step("writer.cancel", self._path, self._writer.cancel)

    async def aclose(self) -> None:
        # A process that has crashed, or a task that is cancelled, lets go of what it has open.
        await self._writer.aclose()


class FullDriver(FaultyDriver):
    """A store with room for a number of bytes: a write stores what fits, and then fails."""

    def __init__(self, driver: StorageDriver, *, room: int) -> None:
        super().__init__(driver)
        self.room = room

    async def put(self, path: str, content: bytes) -> None:
        self._take_room(path, content)
        await super().put(path, content)

    async def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, Put):
                self._take_room(change.path, change.content)
            await super().apply([change])

    def _take_room(self, path: str, content: bytes) -> None:
        if len(content) > self.room:
            raise StorageFull(path)
        self.room -= len(content)

    async def open_appender(self, path: str, *, create: bool = False) -> FileWriter:
        return _FullWriter(self, path, await self.driver.open_appender(path, create=create))


class _FullWriter(_Writer):
    _owner: FullDriver

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        fitting = chunk[: self._owner.room]
        await super().write(fitting)
        self._owner.room -= len(fitting)
        if len(fitting) < len(chunk):
            raise StorageFull(self._path)
