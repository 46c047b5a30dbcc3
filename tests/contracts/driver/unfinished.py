"""What nobody has finished is found and discarded; and no URL is made up."""

from datetime import UTC, datetime

import pytest
from anyio import fail_after

from core.drivers import StorageDriver, Unfinished
from core.errors import DriverError, PathNotFound
from tests.contracts.driver.calls import append, list_unfinished, write_all
from tests.contracts.driver.store import StoreContract

__all__ = ["UnfinishedContract"]


class UnfinishedContract(StoreContract):
    """`list_unfinished`, `discard` and `redirect_url`."""

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
