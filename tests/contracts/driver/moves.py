"""How files are moved, copied and deleted."""

import contextlib

import pytest
from anyio import create_task_group, sleep

from core.drivers import StorageDriver
from core.errors import PathNotFound
from tests.contracts.driver.calls import conflict
from tests.contracts.driver.store import StoreContract

__all__ = ["MovesContract"]


class MovesContract(StoreContract):
    """`move`, `copy` and `delete`."""

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
