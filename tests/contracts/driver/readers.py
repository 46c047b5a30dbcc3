"""How files are read: in ranges, in pieces and at once."""

import pytest
from anyio import create_task_group

from core.drivers import StorageDriver
from core.errors import DriverUnavailable, OffsetInvalid, PathNotFound
from tests.contracts.driver.calls import read_all
from tests.contracts.driver.store import StoreContract

__all__ = ["ReadersContract"]

LETTERS = b"0123456789abcdefghijklmnopqrstuvwxyz"


class ReadersContract(StoreContract):
    """`open_reader`."""

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
