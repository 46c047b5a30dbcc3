"""The filesystem driver: the contract, and what is seen on the disk."""

import os
from pathlib import Path

import pytest

from core.drivers import CheckedDriver, FilesystemDriver, StorageDriver
from tests.contracts.driver import DriverContract

__all__: list[str] = []


def root_of(driver: StorageDriver) -> Path:
    assert isinstance(driver, CheckedDriver)
    assert isinstance(driver.driver, FilesystemDriver)
    return Path(driver.driver._root)


class TestFilesystemDriver(DriverContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> StorageDriver:
        return CheckedDriver(FilesystemDriver(tmp_path / "root"))

    async def stored(self, driver: StorageDriver, path: str) -> bytes | None:
        file = root_of(driver) / path[1:]
        return file.read_bytes() if file.is_file() else None

    async def plant(self, driver: StorageDriver, path: str, content: bytes) -> None:
        file = root_of(driver) / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    async def leftovers(self, driver: StorageDriver) -> set[str]:
        root = root_of(driver)
        return {f"/{file.relative_to(root)}" for file in root.rglob("*") if file.is_file()}

    async def test_no_file_stays_open(self, driver: StorageDriver) -> None:
        descriptors = os.listdir("/proc/self/fd")  # noqa: PTH208 - the names are wanted
        await driver.put("/a/b", b"content")
        async with await driver.open_reader("/a/b") as reader:
            await reader.read(3)
        async with await driver.open_writer("/a/c") as writer:
            await writer.write(b"content")
        async with await driver.open_appender("/a/d", create=True) as writer:
            await writer.write(b"content")
        async with await driver.open_appender("/a/e", create=True) as writer:
            await writer.cancel()
        assert len(os.listdir("/proc/self/fd")) <= len(descriptors)  # noqa: PTH208
