"""What tests of drivers do again and again, and contents to do it with."""

from collections.abc import Awaitable

import pytest

from core.drivers import Entry, FileWriter, StorageDriver, Unfinished
from core.errors import PathConflict

__all__ = [
    "CONTENTS",
    "append",
    "begin_appender",
    "conflict",
    "list_all",
    "list_names",
    "list_unfinished",
    "read_all",
    "write_all",
]

CONTENTS = [
    pytest.param(b"", id="empty"),
    pytest.param(b"a", id="one byte"),
    pytest.param("Ünïcödé ☃".encode(), id="text"),
    pytest.param(b"\x80\xff\xfe\x00\n\r\n", id="no text"),
    pytest.param(bytes(range(32)), id="32 bytes"),
    pytest.param(bytes(range(256)) * 4096, id="a mebibyte"),
]


async def begin_appender(driver: StorageDriver) -> FileWriter:
    return await driver.open_appender("/a", create=True)


async def read_all(
    driver: StorageDriver, path: str, start: int = 0, stop: int | None = None
) -> bytes:
    """Return a range of a file, read in small pieces."""
    chunks = []
    async with await driver.open_reader(path, start, stop) as reader:
        while chunk := await reader.read(100_000):
            assert len(chunk) <= 100_000
            chunks.append(chunk)
    return b"".join(chunks)


async def write_all(driver: StorageDriver, path: str, *chunks: bytes) -> None:
    async with await driver.open_writer(path) as writer:
        for chunk in chunks:
            await writer.write(chunk)
        await writer.commit()


async def append(driver: StorageDriver, path: str, chunk: bytes, *, create: bool = False) -> int:
    async with await driver.open_appender(path, create=create) as writer:
        await writer.write(chunk)
        return writer.size


async def list_all(driver: StorageDriver, path: str, start_after: str = "") -> list[Entry]:
    return [entry async for entry in driver.list(path, start_after)]


async def list_names(driver: StorageDriver, path: str, start_after: str = "") -> list[str]:
    return [entry.name for entry in await list_all(driver, path, start_after)]


async def list_unfinished(driver: StorageDriver, path: str = "/") -> list[Unfinished]:
    return [unfinished async for unfinished in driver.list_unfinished(path)]


async def conflict(driver: StorageDriver, call: Awaitable[object]) -> None:
    """Await what puts a file where a directory is, or below a file; a flat store does it."""
    if driver.flat:
        await call
    else:
        with pytest.raises(PathConflict):
            await call
