"""How files are written that are unseen until they are whole."""

import pytest
from anyio import CancelScope, create_task_group, sleep
from anyio.lowlevel import checkpoint

from core.drivers import StorageDriver
from core.errors import DriverError, PathNotFound
from tests.contracts.driver.calls import (
    CONTENTS,
    begin_appender,
    conflict,
    list_names,
    read_all,
    write_all,
)
from tests.contracts.driver.store import StoreContract

__all__ = ["WritersContract"]


class WritersContract(StoreContract):
    """`open_writer`."""

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
