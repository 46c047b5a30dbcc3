"""The filesystem driver: the contract, and what is seen on the disk."""

import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.drivers import CheckedDriver, FilesystemDriver, StorageDriver, Unfinished
from core.errors import PathNotFound
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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def driver(root: Path) -> StorageDriver:
    return CheckedDriver(FilesystemDriver(root))


async def unfinished_of(driver: StorageDriver, path: str = "/") -> list[Unfinished]:
    return sorted(
        [unfinished async for unfinished in driver.list_unfinished(path)],
        key=lambda unfinished: unfinished.path,
    )


def leave(root: Path, path: str, content: bytes = b"half", *, hours_ago: int = 1) -> Path:
    """Leave what a crash leaves of a file that was on its way to `path`."""
    file = root / f"{path[1:]}.{uuid.uuid4()}.tmp"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    then = (datetime.now(UTC) - timedelta(hours=hours_ago)).timestamp()
    os.utime(file, (then, then))
    return file


async def test_what_a_crash_left_is_listed_with_the_path_it_was_meant_for(
    driver: StorageDriver, root: Path
) -> None:
    await driver.put("/a/b/link", b"content")
    leave(root, "/a/b/link")
    leave(root, "/a/c", b"more", hours_ago=30)
    leave(root, "/d", b"elsewhere")
    found = await unfinished_of(driver)
    assert [(one.path, one.size) for one in found] == [("/a/b/link", 4), ("/a/c", 4), ("/d", 9)]
    ages = [(datetime.now(UTC) - one.started_at) / timedelta(hours=1) for one in found]
    assert ages == pytest.approx([1, 30, 1], abs=0.1)
    assert [one.path for one in await unfinished_of(driver, "/a")] == ["/a/b/link", "/a/c"]
    assert await unfinished_of(driver, "/missing") == []


async def test_only_names_of_temporary_files_are_listed(driver: StorageDriver, root: Path) -> None:
    name = f"data.{uuid.uuid4()}.tmp"
    (root / "a" / f"directory.{uuid.uuid4()}.tmp").mkdir(parents=True)
    for other in ("data.tmp", f"{name}.old", name.upper()):
        (root / "a" / other).touch()
    (root / "a" / f"no name.{uuid.uuid4()}.tmp").touch()
    assert await unfinished_of(driver) == []


async def test_what_was_left_is_discarded_alone_and_once(driver: StorageDriver, root: Path) -> None:
    await driver.put("/a/link", b"content")
    first, second = leave(root, "/a/link"), leave(root, "/a/link")
    (listed,) = [one for one in await unfinished_of(driver) if first.name.endswith(one.key)]
    await driver.discard(listed)
    assert not first.exists()
    assert second.exists()
    assert await driver.get("/a/link") == b"content"
    with pytest.raises(PathNotFound):
        await driver.discard(listed)


@pytest.mark.parametrize("key", ["", "/../link", "/link", ".tmp"])
async def test_a_key_that_is_none_discards_nothing(driver: StorageDriver, key: str) -> None:
    await driver.put("/a/link", b"content")
    forged = Unfinished(path="/a", key=key, size=7, started_at=datetime.now(UTC))
    with pytest.raises(PathNotFound):
        await driver.discard(forged)
    assert await driver.get("/a/link") == b"content"


async def test_a_link_to_another_disk_is_followed_and_one_into_the_store_is_not(
    driver: StorageDriver, root: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    leave(elsewhere, "/there")
    leave(root, "/a/here")
    (root / "b").symlink_to(elsewhere)
    (root / "a" / "loop").symlink_to(root)
    (root / "a" / "itself").symlink_to("itself")
    assert [one.path for one in await unfinished_of(driver)] == ["/a/here", "/b/there"]


async def test_a_store_of_many_directories_is_looked_through_whole(
    driver: StorageDriver, root: Path
) -> None:
    for number in range(600):
        (root / f"{number:03}").mkdir(parents=True)
    for number in (0, 300, 599):
        leave(root, f"/{number:03}/data")
    found = [one.path for one in await unfinished_of(driver)]
    assert found == ["/000/data", "/300/data", "/599/data"]


@pytest.mark.parametrize("edge", [8 * 1024, 64 * 1024])
@pytest.mark.parametrize("more", [-1, 0, 1])
async def test_a_file_is_got_whole_whatever_its_size(tmp_path: Path, edge: int, more: int) -> None:
    driver = CheckedDriver(FilesystemDriver(tmp_path, "relaxed"))
    content = os.urandom(edge + more)
    await driver.put("/a", content)
    assert await driver.get("/a") == content
