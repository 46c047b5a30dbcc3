"""What is told of files and directories."""

from datetime import UTC, datetime, timedelta

import pytest
from anyio import create_task_group, fail_after, sleep
from anyio.lowlevel import checkpoint

from core.drivers import Entry, StorageDriver
from core.errors import PathNotFound
from tests.contracts.driver.calls import list_all, list_names
from tests.contracts.driver.store import StoreContract

__all__ = ["ListingsContract"]


class ListingsContract(StoreContract):
    """`stat` and `list`."""

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
