"""How uploads grow, by one appender after the other."""

import contextlib
from functools import partial

import pytest
from anyio import CancelScope, Event, create_task_group, fail_after, sleep
from anyio.lowlevel import checkpoint

from core.drivers import StorageDriver
from core.errors import DriverError, PathNotFound, WriterBusy
from tests.contracts.driver.calls import append, conflict
from tests.contracts.driver.store import StoreContract

__all__ = ["AppendersContract"]


class AppendersContract(StoreContract):
    """`open_appender`, `create_upload` and `stat_upload`."""

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
