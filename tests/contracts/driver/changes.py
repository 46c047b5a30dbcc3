"""How a list of changes is made in one call."""

import contextlib

import pytest
from anyio import CancelScope, create_task_group, sleep
from anyio.lowlevel import checkpoint

from core.drivers import (
    Barrier,
    BeginUpload,
    Change,
    CleanUp,
    Delete,
    Fill,
    Move,
    MoveOut,
    Put,
    StorageDriver,
)
from core.errors import PathNotFound, WriterBusy
from tests.contracts.driver.calls import conflict, list_names
from tests.contracts.driver.store import StoreContract

__all__ = ["ChangesContract"]


class ChangesContract(StoreContract):
    """`apply`."""

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

    async def test_a_clean_up_takes_nothing_that_comes_behind_it(
        self, driver: StorageDriver
    ) -> None:
        await driver.put("/u/old", b"old")
        await driver.put("/v", b"moved")
        await driver.apply([CleanUp("/u"), Put("/u/new", b"new"), Move("/v", "/u/moved")])
        assert await self.leftovers(driver) == {"/u/new", "/u/moved"}

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
