"""Paths, and whole values that are put at them and got."""

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from anyio import CancelScope, create_task_group, sleep
from anyio.lowlevel import checkpoint

from core.drivers import BeginUpload, CleanUp, Delete, Move, MoveOut, Put, StorageDriver
from core.errors import PathInvalid, PathNotFound
from tests.contracts.driver.calls import CONTENTS, conflict, list_all
from tests.contracts.driver.store import StoreContract

__all__ = ["ValuesContract"]

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


class ValuesContract(StoreContract):
    """Which paths there are; `get` and `put`."""

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
