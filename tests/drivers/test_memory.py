"""The memory driver."""

import pytest

from core.drivers import CheckedDriver, MemoryDriver, StorageDriver
from core.drivers.memory import _File
from tests.contracts.driver import DriverContract

__all__: list[str] = []


def files_of(driver: StorageDriver) -> dict[str, _File]:
    assert isinstance(driver, CheckedDriver)
    assert isinstance(driver.driver, MemoryDriver)
    return driver.driver._files


class TestMemoryDriver(DriverContract):
    @pytest.fixture
    def driver(self) -> StorageDriver:
        return CheckedDriver(MemoryDriver())

    async def stored(self, driver: StorageDriver, path: str) -> bytes | None:
        file = files_of(driver).get(path)
        return None if file is None else bytes(file.content)

    async def plant(self, driver: StorageDriver, path: str, content: bytes) -> None:
        files_of(driver)[path] = _File(content)

    async def leftovers(self, driver: StorageDriver) -> set[str]:
        return set(files_of(driver))


async def test_two_memory_drivers_share_nothing() -> None:
    one, two = MemoryDriver(), MemoryDriver()
    await one.put("/a", b"")
    assert [entry async for entry in two.list("/")] == []
