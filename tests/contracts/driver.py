"""`DriverContract`: what every storage driver does, one test for each sentence of its contract.

A driver's own test file subclasses it and gives a fixture `driver`, inside `CheckedDriver`, and
two back doors that go around the driver, so that what one method did is not checked with another.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar

import pytest
from anyio import CancelScope, Event, create_task_group, fail_after, sleep
from anyio.lowlevel import checkpoint

from core.drivers import (
    Barrier,
    BeginUpload,
    Change,
    CleanUp,
    Delete,
    Entry,
    FileWriter,
    Fill,
    Move,
    MoveOut,
    Put,
    StorageDriver,
    Unfinished,
)
from core.errors import (
    DriverError,
    DriverUnavailable,
    OffsetInvalid,
    PathConflict,
    PathInvalid,
    PathNotFound,
    WriterBusy,
)

__all__ = ["DriverContract", "read_all"]

VALID_PATHS = [
    "/a",
    "/2",
    "/aa",
    "/a.a",
    "/0-9/abcdefg",
    "/abcdefg/z.75",
    "/abc/1.2.3.4.5-6_zyx/123.z/4",
    "/docker/docker-registry",
    "/123.abc",
    "/abc./abc",
    "/.abc",
    "/a--b",
    "/a-.b",
    "/_.abc",
    "/Docker/docker-registry",
    "/Abc/Cba",
    "/...",
]

INVALID_PATHS = [
    "",
    "/",
    "abc",
    "123.abc",
    "//bcd",
    "/abc_123/",
    "/a//b",
    "/.",
    "/..",
    "/a/..",
    "/a/../b",
    "/a/./b",
    "/a b",
    "/a+b",
    "/a%2e",
    "/a\\b",
    "/a\n",
    "/a\0",
    "/é",
]

CONTENTS = [
    pytest.param(b"", id="empty"),
    pytest.param(b"a", id="one byte"),
    pytest.param("Ünïcödé ☃".encode(), id="text"),
    pytest.param(b"\x80\xff\xfe\x00\n\r\n", id="no text"),
    pytest.param(bytes(range(32)), id="32 bytes"),
    pytest.param(bytes(range(256)) * 4096, id="a mebibyte"),
]

LETTERS = b"0123456789abcdefghijklmnopqrstuvwxyz"


async def begin_appender(driver: StorageDriver) -> FileWriter:
    return await driver.open_appender("/a", create=True)


async def read_all(
    driver: StorageDriver, path: str, start: int = 0, stop: int | None = None
) -> bytes:
    """Return a range of a file, read in small pieces."""
    chunks = []
    async with await driver.open_reader(path, start, stop) as reader:
        while chunk := await reader.read(100_000):
            assert len(chunk) <= 100_000
            chunks.append(chunk)
    return b"".join(chunks)


async def write_all(driver: StorageDriver, path: str, *chunks: bytes) -> None:
    async with await driver.open_writer(path) as writer:
        for chunk in chunks:
            await writer.write(chunk)
        await writer.commit()


async def append(driver: StorageDriver, path: str, chunk: bytes, *, create: bool = False) -> int:
    async with await driver.open_appender(path, create=create) as writer:
        await writer.write(chunk)
        return writer.size


async def list_all(driver: StorageDriver, path: str, start_after: str = "") -> list[Entry]:
    return [entry async for entry in driver.list(path, start_after)]


async def list_names(driver: StorageDriver, path: str, start_after: str = "") -> list[str]:
    return [entry.name for entry in await list_all(driver, path, start_after)]


async def list_unfinished(driver: StorageDriver, path: str = "/") -> list[Unfinished]:
    return [unfinished async for unfinished in driver.list_unfinished(path)]


async def conflict(driver: StorageDriver, call: Awaitable[object]) -> None:
    """Await what puts a file where a directory is, or below a file; a flat store does it."""
    if driver.flat:
        await call
    else:
        with pytest.raises(PathConflict):
            await call


class DriverContract(ABC):
    """The contract as tests. Subclasses add tests, and cannot replace any of these.

    Attributes:
        beyond_the_server: tests that the server of a subclass, which only stands in for a store,
            cannot pass with any driver, each with what is wrong with that server. Another
            subclass of the same driver has to run them.
    """

    beyond_the_server: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        contract = {name for name in vars(DriverContract) if name.startswith("test_")}
        if overridden := sorted(contract & vars(cls).keys()):
            raise TypeError(f"{cls.__name__} overrides contract tests: {overridden}")
        excused = {name.partition("[")[0] for name in cls.beyond_the_server}
        if unknown := sorted(excused - contract):
            raise TypeError(f"{cls.__name__} excuses what are no contract tests: {unknown}")

    @abstractmethod
    async def stored(self, driver: StorageDriver, path: str) -> bytes | None:
        """Return what can be read at `path`, found without the driver, or None."""

    @abstractmethod
    async def plant(self, driver: StorageDriver, path: str, content: bytes) -> None:
        """Store `content` at `path` without the driver."""

    @abstractmethod
    async def leftovers(self, driver: StorageDriver) -> set[str]:
        """Return the paths of all files of the store, temporary ones too, without the driver."""

    @pytest.fixture(autouse=True)
    def skipped_where_the_server_cannot(self, request: pytest.FixtureRequest) -> None:
        names = {request.node.originalname, request.node.name}
        for name in names & self.beyond_the_server.keys():
            pytest.skip(self.beyond_the_server[name])

    @pytest.fixture(autouse=True)
    async def nothing_temporary_is_left(self, driver: StorageDriver) -> AsyncIterator[None]:
        try:
            yield
            await self._check_leftovers(driver)
        finally:
            await driver.aclose()
            await driver.aclose()

    async def _check_leftovers(self, driver: StorageDriver) -> None:
        seen = set()
        pending = ["/"]
        while pending:
            directory = pending.pop()
            # A directory that has become empty may still be shown, and then not be found.
            with contextlib.suppress(PathNotFound):
                async for entry in driver.list(directory):
                    path = f"{directory.rstrip('/')}/{entry.name}"
                    if entry.is_directory:
                        pending.append(path)
                    if not entry.is_directory or await self.stored(driver, path) is not None:
                        seen.add(path)
        assert await self.leftovers(driver) == seen

    # Paths.

    @pytest.mark.parametrize("path", VALID_PATHS)
    async def test_a_valid_path_takes_content(self, driver: StorageDriver, path: str) -> None:
        await driver.put(path, b"content")
        assert await self.stored(driver, path) == b"content"
        assert await driver.get(path) == b"content"

    @pytest.mark.parametrize("path", INVALID_PATHS)
    async def test_an_invalid_path_is_refused_everywhere(
        self, driver: StorageDriver, path: str
    ) -> None:
        await driver.put("/there", b"")
        calls: list[Callable[[], Awaitable[object]]] = [
            partial(driver.get, path),
            partial(driver.put, path, b""),
            partial(driver.open_reader, path),
            partial(driver.open_writer, path),
            partial(driver.open_appender, path, create=True),
            partial(driver.move, path, "/b"),
            partial(driver.move, "/there", path),
            partial(driver.delete, path),
            partial(driver.apply, [Put("/new", b""), Put(path, b"")]),
            partial(driver.apply, [Put("/new", b""), Move("/there", path)]),
            partial(driver.apply, [Put("/new", b""), Move(path, "/b")]),
            partial(driver.apply, [Put("/new", b""), MoveOut(path, "/b/c")]),
            partial(driver.apply, [Put("/new", b""), MoveOut("/there/a", path)]),
            partial(driver.apply, [Put("/new", b""), Delete(path, missing_ok=True)]),
            partial(driver.apply, [Put("/new", b""), CleanUp(path)]),
            partial(driver.apply, [Put("/new", b""), BeginUpload(path)]),
        ]
        if path != "/":
            calls += [partial(driver.stat, path), partial(list_all, driver, path)]
        for call in calls:
            with pytest.raises(PathInvalid) as caught:
                await call()
            assert caught.value.driver == driver.name
            assert str(caught.value).startswith(f"{driver.name}: ")
        assert await self.leftovers(driver) == {"/there"}

    async def test_the_root_can_be_listed_and_asked_about_when_empty(
        self, driver: StorageDriver
    ) -> None:
        assert await list_all(driver, "/") == []
        try:
            found = await driver.stat("/")
        except PathNotFound:
            return
        assert found.is_directory

    async def test_a_fault_names_the_driver_and_the_path(self, driver: StorageDriver) -> None:
        with pytest.raises(PathNotFound) as caught:
            await driver.get("/is/missing")
        assert caught.value.path == "/is/missing"
        assert caught.value.driver == driver.name
        assert driver.name in str(caught.value)

    # get and put.

    @pytest.mark.parametrize("content", CONTENTS)
    async def test_what_was_put_is_stored_and_got(
        self, driver: StorageDriver, content: bytes
    ) -> None:
        await driver.put("/a/b", content)
        assert await self.stored(driver, "/a/b") == content
        assert await driver.get("/a/b") == content

    async def test_what_others_stored_is_got(self, driver: StorageDriver) -> None:
        await self.plant(driver, "/a/b", b"planted")
        assert await driver.get("/a/b") == b"planted"

    async def test_a_put_replaces_the_whole_content(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"long content")
        await driver.put("/a", b"short")
        assert await self.stored(driver, "/a") == b"short"
        await driver.put("/a", b"")
        assert await self.stored(driver, "/a") == b""

    async def test_the_same_content_can_be_put_twice(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"same")
        await driver.put("/a", b"same")
        assert await self.stored(driver, "/a") == b"same"

    async def test_a_missing_file_is_not_found(self, driver: StorageDriver) -> None:
        await driver.put("/other", b"")
        with pytest.raises(PathNotFound):
            await driver.get("/missing")
        with pytest.raises(PathNotFound):
            await driver.get("/other/below")

    async def test_a_directory_cannot_be_got(self, driver: StorageDriver) -> None:
        await driver.put("/a/b", b"")
        with pytest.raises(PathNotFound):
            await driver.get("/a")

    async def test_a_put_onto_a_directory_conflicts(self, driver: StorageDriver) -> None:
        await driver.put("/a/b", b"below")
        await conflict(driver, driver.put("/a", b"file"))
        assert await self.stored(driver, "/a/b") == b"below"
        assert await self.stored(driver, "/a") == (b"file" if driver.flat else None)

    @pytest.mark.parametrize("path", ["/a/b", "/a/b/c"])
    async def test_a_put_below_a_file_conflicts(self, driver: StorageDriver, path: str) -> None:
        await driver.put("/a", b"file")
        await conflict(driver, driver.put(path, b"below"))
        assert await self.stored(driver, "/a") == b"file"
        assert await self.stored(driver, path) == (b"below" if driver.flat else None)

    async def test_a_file_where_a_directory_was_is_a_file(self, driver: StorageDriver) -> None:
        for _ in range(20):
            await driver.put("/a/b/c", b"")
            await driver.delete("/a")
            await driver.put("/a", b"file")
            await conflict(driver, driver.put("/a/b/c", b""))
            await driver.delete("/a")
            assert await self.leftovers(driver) == set()

    async def test_a_reader_finds_the_old_content_or_the_whole_new(
        self, driver: StorageDriver
    ) -> None:
        values = [letter * 300_000 for letter in (b"a", b"b")]
        await driver.put("/a", values[0])
        done = False

        async def replace() -> None:
            nonlocal done
            for turn in range(20):
                await driver.put("/a", values[turn % 2])
            done = True

        async with create_task_group() as tasks:
            tasks.start_soon(replace)
            reads = 0
            while not done:
                assert await driver.get("/a") in values
                reads += 1
                await checkpoint()
        assert reads > 0

    async def test_many_puts_of_one_path_leave_one_of_them(self, driver: StorageDriver) -> None:
        values = [b"%d" % number * 1000 for number in range(20)]
        async with create_task_group() as tasks:
            for value in values:
                tasks.start_soon(driver.put, "/a/b/c", value)
        assert await self.stored(driver, "/a/b/c") in values
        assert await self.leftovers(driver) == {"/a/b/c"}

    async def test_a_cancelled_put_has_happened_whole_or_not_at_all(
        self, driver: StorageDriver
    ) -> None:
        old, new = b"old" * 1000, b"new" * 400_000
        for delay in range(6):
            await driver.put("/a", old)
            with CancelScope() as scope:
                async with create_task_group() as tasks:
                    tasks.start_soon(driver.put, "/a", new)
                    await sleep(delay / 2000)
                    scope.cancel()
            assert await self.stored(driver, "/a") in (old, new)
            assert await self.leftovers(driver) == {"/a"}

    # Readers.

    @pytest.mark.parametrize(
        ("start", "stop"),
        [
            (0, None),
            (1, None),
            (35, None),
            (36, None),
            (37, None),
            (1000, None),
            (0, 0),
            (0, 1),
            (5, 10),
            (5, 5),
            (30, 36),
            (30, 1000),
            (36, 40),
            (100, 200),
        ],
    )
    async def test_a_range_is_read_and_cut_at_the_end(
        self, driver: StorageDriver, start: int, stop: int | None
    ) -> None:
        await self.plant(driver, "/a", LETTERS)
        assert await read_all(driver, "/a", start, stop) == LETTERS[start:stop]

    async def test_a_reader_knows_the_size_of_the_whole_file(self, driver: StorageDriver) -> None:
        await driver.put("/a", LETTERS)
        async with await driver.open_reader("/a", 10, 20) as reader:
            assert reader.size == len(LETTERS)

    async def test_a_read_gives_between_one_byte_and_max_bytes(self, driver: StorageDriver) -> None:
        await driver.put("/a", LETTERS)
        async with await driver.open_reader("/a") as reader:
            read = b""
            while chunk := await reader.read(7):
                assert 1 <= len(chunk) <= 7
                read += bytes(chunk)
            assert read == LETTERS
            assert await reader.read(7) == b""

    @pytest.mark.parametrize(("start", "stop"), [(-1, None), (-1, 5), (5, 4), (0, -1)])
    async def test_an_impossible_range_is_an_invalid_offset(
        self, driver: StorageDriver, start: int, stop: int | None
    ) -> None:
        await driver.put("/a", LETTERS)
        with pytest.raises(OffsetInvalid) as caught:
            await driver.open_reader("/a", start, stop)
        assert caught.value.driver == driver.name
        assert caught.value.path == "/a"

    @pytest.mark.parametrize("start", [0, 64])
    async def test_a_reader_of_nothing_is_not_found(
        self, driver: StorageDriver, start: int
    ) -> None:
        with pytest.raises(PathNotFound):
            await driver.open_reader("/missing", start)

    async def test_a_directory_cannot_be_read(self, driver: StorageDriver) -> None:
        await driver.put("/a/b", b"")
        with pytest.raises(PathNotFound):
            await driver.open_reader("/a")

    @pytest.mark.parametrize("change", ["put", "delete", "move", "move over"])
    async def test_an_open_reader_keeps_its_file_or_fails(
        self, driver: StorageDriver, change: str
    ) -> None:
        old = b"old" * 100_000
        await driver.put("/a", old)
        await driver.put("/b", b"new" * 100_000)
        async with await driver.open_reader("/a") as reader:
            read = bytes(await reader.read(10))
            match change:
                case "put":
                    await driver.put("/a", b"new" * 100_000)
                case "delete":
                    await driver.delete("/a")
                case "move":
                    await driver.move("/a", "/c")
                case _:
                    await driver.move("/b", "/a")
            try:
                while chunk := await reader.read(100_000):
                    read += bytes(chunk)
            except DriverUnavailable:
                return
        assert read == old

    async def test_a_reader_can_be_closed_twice(self, driver: StorageDriver) -> None:
        await driver.put("/a", LETTERS)
        reader = await driver.open_reader("/a")
        await reader.aclose()
        await reader.aclose()

    async def test_many_readers_read_one_file_at_once(self, driver: StorageDriver) -> None:
        content = bytes(range(256)) * 8192
        await driver.put("/a", content)

        async def read_from(start: int) -> None:
            assert await read_all(driver, "/a", start) == content[start:]

        async with create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(read_from, number * 200_001)

    # Writers.

    @pytest.mark.parametrize("content", CONTENTS)
    async def test_what_was_written_and_committed_is_stored(
        self, driver: StorageDriver, content: bytes
    ) -> None:
        half = len(content) // 2
        await write_all(driver, "/a/b", content[:half], content[half:])
        assert await self.stored(driver, "/a/b") == content
        assert await read_all(driver, "/a/b") == content

    async def test_a_writer_knows_its_size(self, driver: StorageDriver) -> None:
        async with await driver.open_writer("/a") as writer:
            assert writer.size == 0
            await writer.write(b"abc")
            await writer.write(bytearray(b"de"))
            await writer.write(memoryview(b"f"))
            assert writer.size == 6
            await writer.commit()
        assert await self.stored(driver, "/a") == b"abcdef"

    async def test_a_chunk_can_be_reused_after_it_was_written(self, driver: StorageDriver) -> None:
        chunk = bytearray(b"one")
        async with await driver.open_writer("/a") as writer:
            await writer.write(chunk)
            chunk[:] = b"two"
            await writer.write(chunk)
            await writer.commit()
        assert await self.stored(driver, "/a") == b"onetwo"

    @pytest.mark.parametrize("size", [3, 300_000])
    @pytest.mark.parametrize("kind", ["writer", "appender"])
    async def test_what_is_to_be_done_with_a_chunk_is_done_once_it_was_written(
        self, driver: StorageDriver, kind: str, size: int
    ) -> None:
        seen: list[tuple[bytes, int]] = []

        def see(chunk: memoryview) -> None:
            seen.append((bytes(chunk), writer.size))

        block = memoryview(bytearray(size))
        opening = driver.open_writer("/a") if kind == "writer" else begin_appender(driver)
        async with await opening as writer:
            for byte in b"ab":
                block[:] = bytes([byte]) * size
                await writer.write_and(block, see)
            await writer.commit()
            with pytest.raises(DriverError):
                await writer.write_and(block, see)
        assert seen == [(b"a" * size, size), (b"b" * size, 2 * size)]
        assert await self.stored(driver, "/a") == b"a" * size + b"b" * size

    async def test_bytes_are_unseen_until_commit(self, driver: StorageDriver) -> None:
        async with await driver.open_writer("/a/b") as writer:
            await writer.write(b"half")
            assert await self.stored(driver, "/a/b") is None
            with pytest.raises(PathNotFound):
                await driver.get("/a/b")
            with pytest.raises(PathNotFound):
                await driver.stat("/a/b")
            await writer.commit()
            assert await self.stored(driver, "/a/b") == b"half"

    async def test_an_old_value_is_seen_until_commit(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"old value")
        async with await driver.open_writer("/a") as writer:
            await writer.write(b"new")
            assert await self.stored(driver, "/a") == b"old value"
            assert await list_names(driver, "/") == ["a"]
            await writer.commit()
        assert await self.stored(driver, "/a") == b"new"

    @pytest.mark.parametrize("end", ["aclose", "cancel"])
    async def test_a_writer_without_commit_leaves_nothing(
        self, driver: StorageDriver, end: str
    ) -> None:
        writer = await driver.open_writer("/a")
        await writer.write(b"gone")
        await getattr(writer, end)()
        await writer.aclose()
        assert await self.leftovers(driver) == set()

    async def test_a_writer_that_is_cancelled_leaves_the_old_value(
        self, driver: StorageDriver
    ) -> None:
        await driver.put("/a", b"old")
        async with await driver.open_writer("/a") as writer:
            await writer.write(b"new")
            await writer.cancel()
        assert await self.stored(driver, "/a") == b"old"

    async def test_an_exception_midway_discards_the_writer(self, driver: StorageDriver) -> None:
        with pytest.raises(ZeroDivisionError):
            async with await driver.open_writer("/a") as writer:
                await writer.write(b"half")
                raise ZeroDivisionError
        assert await self.leftovers(driver) == set()

    async def test_a_task_that_is_cancelled_midway_discards_its_writer(
        self, driver: StorageDriver
    ) -> None:
        with CancelScope() as scope:
            async with await driver.open_writer("/a") as writer:
                await writer.write(b"half")
                scope.cancel()
                await checkpoint()
        assert scope.cancelled_caught
        assert await self.leftovers(driver) == set()

    async def test_a_writer_that_is_opened_and_cancelled_leaves_nothing(
        self, driver: StorageDriver
    ) -> None:
        for delay in range(6):
            with CancelScope() as scope:
                async with create_task_group() as tasks:
                    tasks.start_soon(write_all, driver, "/a", b"new" * 200_000)
                    await sleep(delay / 2000)
                    scope.cancel()
            assert await self.leftovers(driver) <= {"/a"}
            assert await self.stored(driver, "/a") in (None, b"new" * 200_000)

    async def test_a_second_commit_does_nothing(self, driver: StorageDriver) -> None:
        async with await driver.open_writer("/a") as writer:
            await writer.write(b"first")
            await writer.commit()
            await driver.put("/a", b"second")
            await writer.commit()
        assert await self.stored(driver, "/a") == b"second"

    async def test_nothing_is_written_after_a_commit(self, driver: StorageDriver) -> None:
        async with await driver.open_writer("/a") as writer:
            await writer.write(b"first")
            await writer.commit()
            with pytest.raises(DriverError):
                await writer.write(b"second")
        assert await self.stored(driver, "/a") == b"first"

    async def test_nothing_is_committed_after_a_close(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"old")
        writer = await driver.open_writer("/a")
        await writer.write(b"new")
        await writer.aclose()
        with pytest.raises(DriverError):
            await writer.commit()
        assert await self.stored(driver, "/a") == b"old"

    async def test_the_last_of_two_commits_stands(self, driver: StorageDriver) -> None:
        async with await driver.open_writer("/a") as one, await driver.open_writer("/a") as two:
            await one.write(b"one")
            await two.write(b"two")
            await two.commit()
            await one.commit()
        assert await self.stored(driver, "/a") == b"one"

    async def test_many_writers_write_at_once(self, driver: StorageDriver) -> None:
        async with create_task_group() as tasks:
            for number in range(32):
                content = bytes([number]) * 200_000
                tasks.start_soon(write_all, driver, f"/{number}", content[:100], content[100:])
        for number in range(32):
            assert await self.stored(driver, f"/{number}") == bytes([number]) * 200_000

    async def test_a_writer_below_a_file_conflicts(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"file")
        await conflict(driver, write_all(driver, "/a/b", b"below"))
        assert await self.stored(driver, "/a") == b"file"

    async def test_a_writer_of_a_directory_conflicts(self, driver: StorageDriver) -> None:
        await driver.put("/a/b", b"file")
        await conflict(driver, write_all(driver, "/a", b"content"))
        assert await self.stored(driver, "/a/b") == b"file"
        assert await self.stored(driver, "/a") == (b"content" if driver.flat else None)

    # Appenders.

    @pytest.mark.parametrize("size", [32, 1024 * 1024])
    async def test_three_parts_are_appended_with_closes_between(
        self, driver: StorageDriver, size: int
    ) -> None:
        parts = [bytes([number]) * size for number in range(3)]
        async with await driver.open_appender("/a/b", create=True) as writer:
            assert writer.size == 0
        for number, part in enumerate(parts):
            async with await driver.open_appender("/a/b") as writer:
                assert writer.size == number * size
                await writer.write(part)
                assert writer.size == (number + 1) * size
                if number == 2:
                    await writer.commit()
            assert (await driver.stat_upload("/a/b")).size == (number + 1) * size
        assert await self.stored(driver, "/a/b") == b"".join(parts)
        assert await driver.get("/a/b") == b"".join(parts)

    async def test_an_appender_of_nothing_is_not_found(self, driver: StorageDriver) -> None:
        with pytest.raises(PathNotFound):
            await driver.open_appender("/a/b")
        assert await self.leftovers(driver) == set()

    async def test_an_appender_of_a_directory_is_not_found(self, driver: StorageDriver) -> None:
        await driver.put("/a/b", b"")
        with pytest.raises(PathNotFound):
            await driver.open_appender("/a")

    @pytest.mark.parametrize("path", ["/a", "/a/b/c"])
    async def test_an_upload_cannot_begin_at_a_directory_or_below_a_file(
        self, driver: StorageDriver, path: str
    ) -> None:
        await driver.put("/a/b", b"")

        async def upload() -> None:
            async with await driver.open_appender(path, create=True) as writer:
                await writer.write(b"content")
                await writer.commit()

        await conflict(driver, upload())
        assert await self.stored(driver, "/a/b") == b""
        assert await self.stored(driver, path) == (b"content" if driver.flat else None)

    async def test_an_upload_begins_with_no_bytes_that_can_be_asked_about(
        self, driver: StorageDriver
    ) -> None:
        await driver.create_upload("/a/b")
        found = await driver.stat_upload("/a/b")
        assert (found.path, found.size, found.is_directory) == ("/a/b", 0, False)
        await driver.delete("/a")
        with pytest.raises(PathNotFound):
            await driver.stat_upload("/a/b")
        assert await self.leftovers(driver) == set()

    async def test_what_no_appender_has_begun_cannot_be_asked_about(
        self, driver: StorageDriver
    ) -> None:
        await driver.put("/ab", b"")
        for path in ("/a", "/ab/c"):
            with pytest.raises(PathNotFound):
                await driver.stat_upload(path)

    async def test_what_was_committed_can_be_gone_on_with(self, driver: StorageDriver) -> None:
        async with await driver.open_appender("/a", create=True) as writer:
            await writer.write(b"first")
            await writer.commit()
        assert (await driver.stat_upload("/a")).size == 5
        # Nothing is added: this is a second try of what is done with it after the commit.
        async with await driver.open_appender("/a") as writer:
            assert writer.size == 5
            await writer.commit()
        assert await self.stored(driver, "/a") == b"first"
        async with await driver.open_appender("/a") as writer:
            await writer.write(b" second")
            assert writer.size == 12
            await writer.commit()
        assert await self.stored(driver, "/a") == b"first second"

    async def test_an_empty_upload_can_be_committed(self, driver: StorageDriver) -> None:
        async with await driver.open_appender("/a", create=True) as writer:
            await writer.commit()
        assert await self.stored(driver, "/a") == b""

    async def test_a_committed_empty_file_can_be_appended_to(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"")
        assert await append(driver, "/a", b"abc") == 3
        async with await driver.open_appender("/a") as writer:
            await writer.commit()
        assert await self.stored(driver, "/a") == b"abc"

    async def test_a_second_appender_is_refused_while_the_first_is_open(
        self, driver: StorageDriver
    ) -> None:
        async with await driver.open_appender("/a", create=True) as writer:
            await writer.write(b"first")
            for create in (False, True):
                with pytest.raises(WriterBusy) as caught:
                    await driver.open_appender("/a", create=create)
                assert caught.value.path == "/a"
        assert await append(driver, "/a", b" second") == 12
        await driver.delete("/a")

    @pytest.mark.parametrize("size", [5, 300_000])
    async def test_flushed_bytes_are_kept_and_more_may_follow(
        self, driver: StorageDriver, size: int
    ) -> None:
        async with await driver.open_appender("/a", create=True) as writer:
            for count in range(1, 4):
                await writer.write(bytes([count]) * size)
                await writer.flush()
                assert (await driver.stat_upload("/a")).size == writer.size == count * size
            with pytest.raises(WriterBusy):
                await driver.open_appender("/a")
            await writer.write(b"end")
            await writer.commit()
            with pytest.raises(DriverError):
                await writer.flush()
        whole = b"".join(bytes([count]) * size for count in range(1, 4)) + b"end"
        assert await self.stored(driver, "/a") == whole

    @pytest.mark.parametrize("size", [0, 5, 300_000])
    async def test_what_is_written_durably_is_kept_and_more_may_follow(
        self, driver: StorageDriver, size: int
    ) -> None:
        async with await driver.open_appender("/a", create=True) as writer:
            await writer.write(b"begin")
            await writer.write_durably(b"x" * size)
            assert (await driver.stat_upload("/a")).size == writer.size == 5 + size
            await writer.write(b"end")
            await writer.commit()
            with pytest.raises(DriverError):
                await writer.write_durably(b"more")
        assert await self.stored(driver, "/a") == b"begin" + b"x" * size + b"end"
        await driver.delete("/a")

    async def test_what_is_written_durably_to_a_writer_is_unseen_until_commit(
        self, driver: StorageDriver
    ) -> None:
        async with await driver.open_writer("/a") as writer:
            await writer.write_durably(b"content")
            assert await self.stored(driver, "/a") is None
            await writer.commit()
        assert await self.stored(driver, "/a") == b"content"

    async def test_an_appender_that_writes_durably_notices_that_its_bytes_were_deleted(
        self, driver: StorageDriver
    ) -> None:
        writer = await driver.open_appender("/a", create=True)
        await writer.write(b"bytes")
        await driver.delete("/a")
        with pytest.raises(PathNotFound):
            await writer.write_durably(b"more")
        await writer.cancel()
        assert await self.leftovers(driver) == set()

    async def test_a_flush_keeps_nothing_of_a_writer(self, driver: StorageDriver) -> None:
        async with await driver.open_writer("/a") as writer:
            await writer.write(b"half")
            await writer.flush()
            assert await self.stored(driver, "/a") is None
        assert await self.leftovers(driver) == set()

    async def test_an_appender_notices_at_a_flush_that_its_bytes_were_deleted(
        self, driver: StorageDriver
    ) -> None:
        writer = await driver.open_appender("/a", create=True)
        await writer.write(b"bytes")
        await driver.delete("/a")
        with pytest.raises(PathNotFound):
            await writer.flush()
        await writer.cancel()
        assert await self.leftovers(driver) == set()

    async def test_of_many_appenders_at_once_one_gets_the_path(self, driver: StorageDriver) -> None:
        await append(driver, "/a", b"", create=True)
        won = []
        refused = []
        decided = Event()

        async def claim(number: int) -> None:
            try:
                async with await driver.open_appender("/a") as writer:
                    won.append(number)
                    await writer.write(b"%d" % number)
                    # A store may take its time to refuse the others.
                    await decided.wait()
            except WriterBusy:
                refused.append(number)
                if len(refused) == 7:
                    decided.set()

        with fail_after(15):
            async with create_task_group() as tasks:
                for number in range(8):
                    tasks.start_soon(claim, number)
        assert len(won) == 1
        async with await driver.open_appender("/a") as writer:
            await writer.commit()
        assert await self.stored(driver, "/a") == b"%d" % won[0]

    async def test_a_cancelled_upload_leaves_nothing_of_any_appender(
        self, driver: StorageDriver
    ) -> None:
        await append(driver, "/a", b"first", create=True)
        async with await driver.open_appender("/a") as writer:
            await writer.write(b"second")
            await writer.cancel()
            await writer.cancel()
        assert await self.leftovers(driver) == set()
        with pytest.raises(PathNotFound):
            await driver.open_appender("/a")

    async def test_an_exception_midway_keeps_what_was_appended(self, driver: StorageDriver) -> None:
        with pytest.raises(ZeroDivisionError):
            async with await driver.open_appender("/a", create=True) as writer:
                await writer.write(b"half")
                raise ZeroDivisionError
        assert (await driver.stat_upload("/a")).size == 4
        await driver.delete("/a")

    async def test_a_task_that_is_cancelled_midway_lets_go_of_its_upload(
        self, driver: StorageDriver
    ) -> None:
        with CancelScope() as scope:
            async with await driver.open_appender("/a", create=True) as writer:
                await writer.write(b"half")
                scope.cancel()
                await checkpoint()
        assert await append(driver, "/a", b" and half") == 13
        await driver.delete("/a")

    async def test_an_appender_that_is_opened_and_cancelled_lets_go(
        self, driver: StorageDriver
    ) -> None:
        for delay in range(6):
            with CancelScope() as scope:
                async with create_task_group() as tasks:
                    tasks.start_soon(partial(append, driver, "/a", b"x" * 500_000, create=True))
                    await sleep(delay / 2000)
                    scope.cancel()
            async with await driver.open_appender("/a", create=True) as writer:
                await writer.cancel()

    async def test_an_appender_notices_that_its_bytes_were_deleted(
        self, driver: StorageDriver
    ) -> None:
        writer = await driver.open_appender("/a", create=True)
        await writer.write(b"bytes")
        await driver.delete("/a")
        # A writer may hold back a small chunk, and find out later.
        with contextlib.suppress(PathNotFound):
            await writer.write(b"more")
        with pytest.raises(PathNotFound):
            await writer.commit()
        with pytest.raises(PathNotFound):
            await writer.aclose()
        assert await self.leftovers(driver) == set()

    async def test_an_appender_notices_that_its_bytes_were_moved(
        self, driver: StorageDriver
    ) -> None:
        await append(driver, "/a", b"bytes", create=True)
        writer = await driver.open_appender("/a")
        try:
            await driver.move("/a", "/b")
        except PathNotFound:
            # Here, uncommitted bytes are no file that could be moved.
            await writer.cancel()
            return
        # A writer may hold back a small chunk, and find out later.
        with contextlib.suppress(PathNotFound):
            await writer.write(b"more")
        with pytest.raises(PathNotFound):
            await writer.commit()
        with pytest.raises(PathNotFound):
            await writer.aclose()
        assert await self.stored(driver, "/b") == b"bytes"

    async def test_nothing_is_appended_after_a_commit(self, driver: StorageDriver) -> None:
        async with await driver.open_appender("/a", create=True) as writer:
            await writer.write(b"first")
            await writer.commit()
            await writer.commit()
            with pytest.raises(DriverError):
                await writer.write(b"second")
            await driver.move("/a", "/b")
            with pytest.raises(DriverError):
                await writer.write(b"second")
        assert await self.stored(driver, "/b") == b"first"

    async def test_a_committed_upload_can_be_moved_while_it_is_claimed(
        self, driver: StorageDriver
    ) -> None:
        async with await driver.open_appender("/up/a", create=True) as writer:
            await writer.write(b"content")
            await writer.commit()
            await driver.move("/up/a", "/blobs/a")
        assert await self.leftovers(driver) == {"/blobs/a"}
        assert await self.stored(driver, "/blobs/a") == b"content"

    async def test_a_closed_appender_takes_nothing(self, driver: StorageDriver) -> None:
        writer = await driver.open_appender("/a", create=True)
        await writer.write(b"first")
        await writer.aclose()
        await writer.aclose()
        with pytest.raises(DriverError):
            await writer.write(b"second")
        assert (await driver.stat_upload("/a")).size == 5
        await driver.delete("/a")

    # stat.

    async def test_stat_knows_a_file(self, driver: StorageDriver) -> None:
        before = datetime.now(UTC) - timedelta(seconds=2)
        await self.plant(driver, "/a/b", b"content")
        found = await driver.stat("/a/b")
        assert (found.path, found.size, found.is_directory) == ("/a/b", 7, False)
        assert found.modified_at is not None
        assert before < found.modified_at < datetime.now(UTC) + timedelta(seconds=2)

    async def test_stat_knows_a_directory(self, driver: StorageDriver) -> None:
        await self.plant(driver, "/a/b/c", b"content")
        for path in ("/a", "/a/b", "/"):
            found = await driver.stat(path)
            assert (found.path, found.size, found.is_directory) == (path, 0, True)

    async def test_stat_of_nothing_is_not_found(self, driver: StorageDriver) -> None:
        await driver.put("/ab", b"")
        for path in ("/a", "/abc", "/ab/c"):
            with pytest.raises(PathNotFound):
                await driver.stat(path)

    async def test_a_file_is_newer_once_it_was_written_again(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"first")
        first = second = (await driver.stat("/a")).modified_at
        assert first is not None
        # Some stores tell whole seconds.
        with fail_after(3):
            while second == first:
                await sleep(0.02)
                await driver.put("/a", b"second")
                second = (await driver.stat("/a")).modified_at
        assert second is not None
        assert first < second

    # list.

    async def test_children_are_listed_in_byte_order(self, driver: StorageDriver) -> None:
        names = ["a-b", "a", "B", "a.b", "a_b", "0", "10", "2", "_x", "-y", ".z", "aa"]
        for name in names:
            await self.plant(driver, f"/dir/{name}", b"")
        assert await list_names(driver, "/dir") == sorted(names)

    async def test_only_direct_children_are_listed_with_what_they_are(
        self, driver: StorageDriver
    ) -> None:
        for path in ("/a/file", "/a/dir/file", "/a/dir/dir/file", "/ab/file", "/b"):
            await self.plant(driver, path, b"")
        assert await list_all(driver, "/a") == [
            Entry(name="dir", is_directory=True),
            Entry(name="file", is_directory=False),
        ]
        assert await list_names(driver, "/") == ["a", "ab", "b"]

    async def test_files_are_listed_among_directories_in_byte_order(
        self, driver: StorageDriver
    ) -> None:
        directories, files = ["b", "d", "d-d", "f"], ["a", "c", "d.d", "e", "g"]
        for name in directories:
            await self.plant(driver, f"/dir/{name}/file", b"")
        for name in files:
            await self.plant(driver, f"/dir/{name}", b"")
        assert await list_all(driver, "/dir") == [
            Entry(name=name, is_directory=name in directories)
            for name in sorted(directories + files)
        ]

    async def test_fifty_children_are_listed_once_each(self, driver: StorageDriver) -> None:
        names = [f"{number:03}" for number in range(50)]
        for name in reversed(names):
            await driver.put(f"/dir/{name}", b"")
        assert await list_names(driver, "/dir") == names

    @pytest.mark.parametrize("start_after", ["", "a", "b", "bb", "c", "a/b", "~", "B"])
    async def test_a_listing_starts_behind_start_after(
        self, driver: StorageDriver, start_after: str
    ) -> None:
        names = ["a", "b", "bc", "c"]
        for name in names:
            await driver.put(f"/dir/{name}", b"")
        expected = [name for name in names if name > start_after]
        assert await list_names(driver, "/dir", start_after) == expected

    async def test_a_missing_directory_cannot_be_listed(self, driver: StorageDriver) -> None:
        await driver.put("/ab/c", b"")
        for path in ("/a", "/ab/c", "/ab/d"):
            with pytest.raises(PathNotFound):
                await list_all(driver, path)

    async def test_a_listing_can_be_left_early(self, driver: StorageDriver) -> None:
        for name in ("a", "b", "c"):
            await driver.put(f"/dir/{name}", b"")
        async for entry in driver.list("/dir"):
            assert entry.name == "a"
            break

    async def test_what_stays_is_listed_whatever_is_made_and_deleted_meanwhile(
        self, driver: StorageDriver
    ) -> None:
        for number in range(30):
            await driver.put(f"/dir/stays-{number:02}", b"")
        stop = False

        async def churn() -> None:
            number = 0
            while not stop:
                await driver.put(f"/dir/goes-{number}", b"")
                await driver.delete(f"/dir/goes-{number}")
                number += 1
                await checkpoint()

        async with create_task_group() as tasks:
            tasks.start_soon(churn)
            for _ in range(10):
                names = await list_names(driver, "/dir")
                assert len([name for name in names if name.startswith("stays")]) == 30
                await checkpoint()
            stop = True

    # move.

    async def test_a_move_takes_the_content_along(self, driver: StorageDriver) -> None:
        await driver.put("/a/b", b"content")
        await driver.move("/a/b", "/c/d/e")
        assert await self.leftovers(driver) == {"/c/d/e"}
        assert await self.stored(driver, "/c/d/e") == b"content"

    async def test_a_move_replaces_its_destination(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"new")
        await driver.put("/b", b"much older")
        await driver.move("/a", "/b")
        assert await self.leftovers(driver) == {"/b"}
        assert await self.stored(driver, "/b") == b"new"

    async def test_a_move_of_nothing_leaves_the_destination(self, driver: StorageDriver) -> None:
        await driver.put("/b", b"stays")
        with pytest.raises(PathNotFound) as caught:
            await driver.move("/a", "/b")
        assert caught.value.path == "/a"
        assert await self.stored(driver, "/b") == b"stays"

    async def test_a_directory_cannot_be_moved(self, driver: StorageDriver) -> None:
        await driver.put("/a/b", b"content")
        with pytest.raises(PathNotFound):
            await driver.move("/a", "/c")
        assert await self.leftovers(driver) == {"/a/b"}

    async def test_a_move_onto_a_directory_conflicts(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"content")
        await driver.put("/b/c", b"stays")
        await conflict(driver, driver.move("/a", "/b"))
        assert await self.leftovers(driver) == {"/b" if driver.flat else "/a", "/b/c"}
        assert await self.stored(driver, "/b/c") == b"stays"

    async def test_a_move_below_a_file_conflicts(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"content")
        await driver.put("/b", b"stays")
        await conflict(driver, driver.move("/a", "/b/c"))
        if driver.flat:
            await driver.move("/b/c", "/a")
        await conflict(driver, driver.move("/a", "/a/c"))
        assert await self.leftovers(driver) == {"/a/c" if driver.flat else "/a", "/b"}
        assert await self.stored(driver, "/b") == b"stays"

    async def test_a_move_to_itself_changes_nothing(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"content")
        await driver.move("/a", "/a")
        assert await self.stored(driver, "/a") == b"content"

    async def test_of_two_moves_of_one_file_one_finds_it(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"content")
        missing = []

        async def move(destination: str) -> None:
            try:
                await driver.move("/a", destination)
            except PathNotFound:
                missing.append(destination)

        async with create_task_group() as tasks:
            tasks.start_soon(move, "/x/b")
            tasks.start_soon(move, "/y/c")
        assert len(missing) == 1 or (driver.flat and not missing)
        found = {"/x/b", "/y/c"} - set(missing)
        assert await self.leftovers(driver) == found
        for path in found:
            assert await self.stored(driver, path) == b"content"

    # copy.

    @pytest.mark.parametrize("size", [0, 7, 1024 * 1024 + 1])
    async def test_a_copy_leaves_its_source(self, driver: StorageDriver, size: int) -> None:
        content = bytes(range(256)) * (size // 256 + 1)
        await driver.put("/a/b", content[:size])
        await driver.put("/c", b"older")
        for destination in ("/c", "/d/e/f"):
            await driver.copy("/a/b", destination)
            assert await self.stored(driver, destination) == content[:size]
        assert await self.leftovers(driver) == {"/a/b", "/c", "/d/e/f"}
        assert await self.stored(driver, "/a/b") == content[:size]

    async def test_what_was_copied_changes_no_more_with_its_source(
        self, driver: StorageDriver
    ) -> None:
        async with await driver.open_appender("/a", create=True) as writer:
            await writer.write(b"first")
            await writer.commit()
        await driver.copy("/a", "/b")
        async with await driver.open_appender("/a") as writer:
            await writer.write(b" second")
            await writer.commit()
        assert await self.stored(driver, "/b") == b"first"

    async def test_a_copy_of_nothing_leaves_the_destination(self, driver: StorageDriver) -> None:
        await driver.put("/b", b"stays")
        await driver.put("/dir/a", b"")
        for source in ("/a", "/dir"):
            with pytest.raises(PathNotFound):
                await driver.copy(source, "/b")
        assert await self.stored(driver, "/b") == b"stays"

    async def test_a_copy_onto_a_directory_conflicts(self, driver: StorageDriver) -> None:
        await driver.put("/a", b"content")
        await driver.put("/b/c", b"stays")
        await conflict(driver, driver.copy("/a", "/b"))
        assert await self.stored(driver, "/b/c") == b"stays"

    # delete.

    async def test_a_deleted_file_is_gone(self, driver: StorageDriver) -> None:
        await driver.put("/a/b", b"content")
        await driver.delete("/a/b")
        assert await self.stored(driver, "/a/b") is None
        with pytest.raises(PathNotFound):
            await driver.get("/a/b")

    async def test_a_directory_is_deleted_with_all_below_it(self, driver: StorageDriver) -> None:
        for path in ("/a/b", "/a/c/d", "/a/c/e/f", "/g"):
            await self.plant(driver, path, b"")
        await driver.delete("/a")
        assert await self.leftovers(driver) == {"/g"}
        for path in ("/a", "/a/c", "/a/c/d"):
            with pytest.raises(PathNotFound):
                await driver.stat(path)

    async def test_a_delete_does_not_take_what_begins_alike(self, driver: StorageDriver) -> None:
        for path in ("/a/b", "/ab", "/a-b/c", "/a.b"):
            await self.plant(driver, path, b"")
        await driver.delete("/a")
        assert await self.leftovers(driver) == {"/ab", "/a-b/c", "/a.b"}

    async def test_a_delete_of_nothing_is_not_found(self, driver: StorageDriver) -> None:
        await driver.put("/ab", b"")
        for path in ("/a", "/ab/c"):
            with pytest.raises(PathNotFound):
                await driver.delete(path)
        assert await self.leftovers(driver) == {"/ab"}

    async def test_a_deleted_path_can_be_stored_again(self, driver: StorageDriver) -> None:
        for number in range(5):
            await driver.put("/a/b/c", b"%d" % number)
            assert await self.stored(driver, "/a/b/c") == b"%d" % number
            await driver.delete("/a")

    async def test_a_put_goes_through_while_its_directory_is_deleted(
        self, driver: StorageDriver
    ) -> None:
        async def delete(delay: float) -> None:
            await sleep(delay)
            with contextlib.suppress(PathNotFound):
                await driver.delete("/a")

        for number in range(30):
            async with create_task_group() as tasks:
                tasks.start_soon(driver.put, f"/a/b/{number}", b"")
                tasks.start_soon(delete, number / 5000)
            assert await self.leftovers(driver) <= {f"/a/b/{number}" for number in range(30)}

    # apply.

    async def test_several_changes_are_made(self, driver: StorageDriver) -> None:
        await driver.put("/u/data", b"moved")
        await driver.put("/u/other", b"")
        await driver.put("/t/old", b"old")
        await driver.put("/gone/a/b", b"")
        changes: list[Change] = [
            Move("/u/data", "/b/1/data"),
            Put("/l/1/link", b"1"),
            Delete("/gone"),
            Barrier(),
            Put("/t/old", b"new"),
            CleanUp("/u"),
            BeginUpload("/v/data"),
        ]
        await driver.apply(changes)
        assert await self.stored(driver, "/b/1/data") == b"moved"
        assert await self.stored(driver, "/l/1/link") == b"1"
        assert await self.stored(driver, "/t/old") == b"new"
        assert (await driver.stat_upload("/v/data")).size == 0
        async with await driver.open_appender("/v/data") as writer:
            await writer.cancel()
        assert await self.leftovers(driver) == {"/b/1/data", "/l/1/link", "/t/old"}

    async def test_contents_that_may_be_shared_are_files_of_their_own(
        self, driver: StorageDriver
    ) -> None:
        await driver.put("/c/old", b"old")
        paths = ("/a/1", "/b/2", "/c/old")
        await driver.apply([Put(path, b"same", may_share=True) for path in paths])
        await driver.apply([Put("/a/1", b"another"), Delete("/b/2")])
        assert await self.stored(driver, "/a/1") == b"another"
        assert await self.stored(driver, "/b/2") is None
        assert await self.stored(driver, "/c/old") == b"same"
        await driver.apply([Delete("/a"), Delete("/c"), Put("/d", b"same", may_share=True)])
        assert await self.stored(driver, "/d") == b"same"
        assert await self.leftovers(driver) == {"/d"}

    async def test_what_may_be_shared_conflicts_as_anything_does(
        self, driver: StorageDriver
    ) -> None:
        for path in ("/dir/x", "/file"):
            await driver.put(path, b"there")
        for path in ("/dir", "/file/x"):
            await conflict(driver, driver.apply([Put(path, b"", may_share=True)]))
        assert await self.stored(driver, "/dir/x") == b"there"
        assert await self.stored(driver, "/file") == b"there"

    async def test_an_upload_is_filled_and_moved_out_in_one_list(
        self, driver: StorageDriver
    ) -> None:
        if driver.flat:
            return
        await driver.apply([Put("/u/startedat", b"now"), BeginUpload("/u/data")])
        async with await driver.open_appender("/u/data") as writer:
            await writer.commit()
            await driver.apply(
                [Fill("/u/data", b"content"), MoveOut("/u/data", "/b/data"), Put("/l", b"1")]
            )
        assert await self.stored(driver, "/b/data") == b"content"
        assert await self.leftovers(driver) == {"/b/data", "/l"}

    async def test_an_upload_whose_list_fails_behind_its_filling_can_be_gone_on_with(
        self, driver: StorageDriver
    ) -> None:
        if driver.flat:
            return
        await driver.create_upload("/u/data")
        async with await driver.open_appender("/u/data") as writer:
            await writer.commit()
            with pytest.raises(PathNotFound):
                await driver.apply([Fill("/u/data", b"content"), Move("/missing", "/b")])
        async with await driver.open_appender("/u/data") as writer:
            assert writer.size in (0, 7)
            await writer.write(b"content"[writer.size :])
            await writer.commit()
        assert await self.stored(driver, "/u/data") == b"content"

    async def test_no_changes_change_nothing(self, driver: StorageDriver) -> None:
        await driver.apply([])
        await driver.apply([Barrier()])
        assert await self.leftovers(driver) == set()

    async def test_changes_of_one_path_are_made_in_their_order(self, driver: StorageDriver) -> None:
        await driver.apply([Put("/a", b"1"), Put("/a", b"2"), Move("/a", "/b"), Put("/a", b"3")])
        assert await self.stored(driver, "/b") == b"2"
        assert await self.stored(driver, "/a") == b"3"
        await driver.apply([Put("/c/d", b"1"), Delete("/c"), Barrier(), Put("/c/d", b"2")])
        assert await self.stored(driver, "/c/d") == b"2"
        assert await self.leftovers(driver) == {"/a", "/b", "/c/d"}

    async def test_a_change_is_not_seen_before_those_that_stand_before_it(
        self, driver: StorageDriver
    ) -> None:
        done = False

        async def change() -> None:
            nonlocal done
            for number in range(20):
                content = b"%d" % number
                await driver.apply([Put("/a/b", content), Barrier(), Put("/c", content)])
            done = True

        async with create_task_group() as tasks:
            tasks.start_soon(change)
            while not done:
                with contextlib.suppress(PathNotFound):
                    second = int(await driver.get("/c"))
                    assert int(await driver.get("/a/b")) >= second
                await checkpoint()
        assert await self.stored(driver, "/c") == b"19"

    async def test_a_change_that_fails_ends_the_list(self, driver: StorageDriver) -> None:
        await driver.put("/other", b"")
        changes: list[Change] = [
            Put("/a/b", b"may be there"),
            Move("/missing", "/c"),
            Put("/d", b""),
            Delete("/other"),
        ]
        with pytest.raises(PathNotFound) as caught:
            await driver.apply(changes)
        assert caught.value.path == "/missing"
        assert caught.value.driver == driver.name
        assert await self.leftovers(driver) - {"/a/b"} == {"/other"}
        assert await self.stored(driver, "/a/b") in (None, b"may be there")

    @pytest.mark.parametrize(
        "change", [Put("/dir", b"x"), Put("/file/x", b"x"), Move("/m", "/dir")]
    )
    async def test_a_change_that_conflicts_says_so(
        self, driver: StorageDriver, change: Change
    ) -> None:
        for path in ("/dir/x", "/file", "/m"):
            await driver.put(path, b"there")
        await conflict(driver, driver.apply([Put("/a", b""), change]))
        assert await self.stored(driver, "/dir/x") == b"there"
        assert await self.stored(driver, "/file") == b"there"

    async def test_a_claimed_upload_cannot_be_begun(self, driver: StorageDriver) -> None:
        refusal = contextlib.suppress(WriterBusy) if driver.flat else pytest.raises(WriterBusy)
        async with await driver.open_appender("/u/data", create=True) as writer:
            with refusal:
                await driver.apply([BeginUpload("/u/data")])
            await writer.cancel()
        assert await self.leftovers(driver) == set()

    async def test_a_delete_of_what_may_be_missing_is_no_fault(self, driver: StorageDriver) -> None:
        await driver.put("/file", b"")
        for path in ("/missing", "/file/below"):
            with pytest.raises(PathNotFound):
                await driver.apply([Delete(path)])
            await driver.apply([Delete(path, missing_ok=True), CleanUp(path), Put("/b", b"")])
        assert await self.leftovers(driver) == {"/file", "/b"}

    async def test_what_is_cleaned_up_is_gone_with_all_below_it(
        self, driver: StorageDriver
    ) -> None:
        for path in ("/a/b", "/a/c/d", "/e", "/ab"):
            await driver.put(path, b"")
        await driver.apply([CleanUp("/a"), CleanUp("/e")])
        assert await self.leftovers(driver) == {"/ab"}

    @pytest.mark.parametrize("destination", ["/b/new/data", "/b/there/data", "/b/new/other"])
    async def test_what_is_moved_out_takes_its_directory_away(
        self, driver: StorageDriver, destination: str
    ) -> None:
        for path in ("/b/there/data", "/a/u/startedat", "/a/u/states/sha256/1", "/a/v/data"):
            await driver.put(path, b"")
        await driver.put("/a/u/data", b"moved")
        await driver.apply([MoveOut("/a/u/data", destination), Put("/c", b"")])
        assert await self.stored(driver, destination) == b"moved"
        expected = {"/a/v/data", "/b/there/data", "/c", destination}
        assert await self.leftovers(driver) == expected
        if not driver.flat:
            # Where it is no more than a part of keys, it may still be shown for a while.
            assert await list_names(driver, "/a") == ["v"]

    async def test_what_cannot_be_moved_out_stays_with_its_directory(
        self, driver: StorageDriver
    ) -> None:
        for path in ("/a/u/startedat", "/a/v/data/below"):
            await driver.put(path, b"")
        for source in ("/a/u/data", "/a/v/data", "/a/w/data"):
            with pytest.raises(PathNotFound) as caught:
                await driver.apply([MoveOut(source, "/b/new/data")])
            assert caught.value.path == source
        assert await self.leftovers(driver) == {"/a/u/startedat", "/a/v/data/below"}
        await driver.put("/a/u/data", b"")
        await driver.put("/f", b"")
        await conflict(driver, driver.apply([MoveOut("/a/u/data", "/f/new/data")]))
        if not driver.flat:
            assert {"/a/u/data", "/a/u/startedat"} < await self.leftovers(driver)

    async def test_two_of_one_destination_are_moved_out_at_once(
        self, driver: StorageDriver
    ) -> None:
        numbers = range(8)
        for number in numbers:
            await driver.put(f"/u/{number}/data", b"the same")
            await driver.put(f"/u/{number}/startedat", b"")
        async with create_task_group() as tasks:
            for number in numbers:
                tasks.start_soon(driver.apply, [MoveOut(f"/u/{number}/data", "/b/new/data")])
        assert await self.leftovers(driver) == {"/b/new/data"}
        assert await self.stored(driver, "/b/new/data") == b"the same"

    async def test_a_cancelled_list_has_happened_whole_or_not_at_all(
        self, driver: StorageDriver
    ) -> None:
        for delay in range(6):
            await driver.apply([Put("/a", b"old"), Put("/b/c", b"old")])
            with CancelScope() as scope:
                async with create_task_group() as tasks:
                    changes: list[Change] = [
                        Put("/a", b"new" * 100_000),
                        Barrier(),
                        Put("/b/c", b"new"),
                    ]
                    tasks.start_soon(driver.apply, changes)
                    await sleep(delay / 2000)
                    scope.cancel()
            first = await self.stored(driver, "/a")
            second = await self.stored(driver, "/b/c")
            assert (first, second) in {(b"old", b"old"), (b"new" * 100_000, b"new")}
            assert await self.leftovers(driver) == {"/a", "/b/c"}
        with CancelScope() as scope:
            scope.cancel()
            await driver.apply([Put("/d", b""), Put("/e", b"")])
        assert await self.stored(driver, "/d") == await self.stored(driver, "/e")

    async def test_many_lists_at_once_leave_one_value_at_each_path(
        self, driver: StorageDriver
    ) -> None:
        values = [b"%d" % number * 1000 for number in range(10)]
        async with create_task_group() as tasks:
            for value in values:
                changes: list[Change] = [Put("/a/b/c", value), Barrier(), Put("/a/d", value)]
                tasks.start_soon(driver.apply, changes)
        for path in ("/a/b/c", "/a/d"):
            assert await self.stored(driver, path) in values
        assert await self.leftovers(driver) == {"/a/b/c", "/a/d"}

    async def test_a_list_goes_through_while_its_directories_are_deleted(
        self, driver: StorageDriver
    ) -> None:
        async def delete(delay: float) -> None:
            await sleep(delay)
            with contextlib.suppress(PathNotFound):
                await driver.delete("/a")

        for number in range(30):
            await driver.put("/u/data", b"%d" % number)
            changes: list[Change] = [
                Move("/u/data", f"/a/b/{number}"),
                Put(f"/a/c/{number}", b""),
                Barrier(),
                Put("/d", b"%d" % number),
            ]
            async with create_task_group() as tasks:
                tasks.start_soon(driver.apply, changes)
                tasks.start_soon(delete, number / 5000)
            assert await self.stored(driver, "/d") == b"%d" % number
            assert await self.stored(driver, "/u/data") is None

    # Unfinished content.

    @pytest.mark.parametrize("end", ["commit", "aclose", "cancel"])
    async def test_a_writer_may_be_listed_as_unfinished_until_it_ends(
        self, driver: StorageDriver, end: str
    ) -> None:
        await driver.put("/ab/c", b"other")
        writer = await driver.open_writer("/a/b")
        for _ in range(12):
            await writer.write(bytes(1024 * 1024))
        found = await list_unfinished(driver)
        assert {one.path for one in found} <= {"/a/b"}
        assert all(0 <= one.size <= 12 * 1024 * 1024 for one in found)
        assert all(one.started_at.tzinfo is not None for one in found)
        assert {one.key for one in await list_unfinished(driver, "/a")} == {
            one.key for one in found
        }
        assert await list_unfinished(driver, "/ab") == []
        await getattr(writer, end)()
        await writer.aclose()
        assert await list_unfinished(driver) == []

    async def test_a_deleted_upload_is_not_unfinished(self, driver: StorageDriver) -> None:
        await append(driver, "/a/b", b"bytes" * 1000, create=True)
        assert {one.path for one in await list_unfinished(driver)} <= {"/a/b"}
        await driver.delete("/a")
        for one in await list_unfinished(driver):
            # What a delete does not take is listed, and can be discarded.
            await driver.discard(one)
        assert await list_unfinished(driver) == []

    async def test_what_is_discarded_is_gone_and_its_writer_fails(
        self, driver: StorageDriver
    ) -> None:
        await driver.put("/a", b"old")
        writer = await driver.open_writer("/a")
        for _ in range(12):
            await writer.write(bytes(1024 * 1024))
        found = pending = await list_unfinished(driver)
        with fail_after(5):
            # What the writer was sending meanwhile may come afterwards.
            while pending:
                for one in pending:
                    await driver.discard(one)
                pending = await list_unfinished(driver)
        if found:
            with pytest.raises(DriverError):
                await writer.commit()
        await writer.aclose()
        for one in found or [
            Unfinished(path="/a", key="none", size=0, started_at=datetime.now(UTC))
        ]:
            with pytest.raises(PathNotFound) as caught:
                await driver.discard(one)
            assert caught.value.driver == driver.name
        assert await self.stored(driver, "/a") == b"old"

    async def test_what_was_committed_is_never_unfinished(self, driver: StorageDriver) -> None:
        await driver.put("/a/put", b"put")
        await write_all(driver, "/a/written", b"written")
        async with await driver.open_appender("/a/appended", create=True) as writer:
            await writer.write(b"appended")
            await writer.commit()
            assert await list_unfinished(driver) == []
        await driver.move("/a/appended", "/a/moved")
        assert await list_unfinished(driver) == []
        assert await self.leftovers(driver) == {"/a/put", "/a/written", "/a/moved"}

    async def test_a_store_that_gives_no_urls_says_so_for_every_path(
        self, driver: StorageDriver
    ) -> None:
        await driver.put("/a/b", b"")
        if not driver.gives_urls:
            assert await driver.redirect_url("/a/b", "GET") is None
            assert await driver.redirect_url("/a/b", "HEAD") is None
