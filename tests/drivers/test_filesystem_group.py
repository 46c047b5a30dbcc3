"""Commits of one process at the same time: what they share, and what they do not."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from anyio import create_task_group

from core.drivers import (
    Barrier,
    BeginUpload,
    Change,
    Delete,
    FilesystemDriver,
    Fill,
    Move,
    MoveOut,
    Put,
)
from core.drivers.filesystem.syncs import BatchSyncs
from core.errors import DriverError, DriverUnavailable, PathNotFound

__all__: list[str] = []


class Disk(BatchSyncs):
    """Notes what is synced, and fails where it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.batches: list[list[str]] = []
        self.faulty = ""

    def sync(self, descriptors: Sequence[int]) -> list[OSError | None]:
        names = [Path(f"/proc/self/fd/{descriptor}").readlink() for descriptor in descriptors]
        short = [f"/{name.relative_to(self.root)}".replace("/.", "/") for name in names]
        self.batches.append(short)
        faults = super().sync(descriptors)
        return [
            OSError(5, "told to fail") if re.fullmatch(self.faulty, name) else fault
            for name, fault in zip(short, faults, strict=True)
        ]


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FilesystemDriver:
    monkeypatch.setattr("core.drivers.filesystem.driver.BatchSyncs", lambda: Disk(tmp_path))
    return FilesystemDriver(tmp_path)


@pytest.fixture
def disk(driver: FilesystemDriver) -> Disk:
    assert isinstance(driver._syncs, Disk)
    return driver._syncs


def files(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]


async def apply_all(
    driver: FilesystemDriver, *lists: Sequence[Change]
) -> list[BaseException | None]:
    return await asyncio.gather(*map(driver.apply, lists), return_exceptions=True)


async def test_commits_at_once_sync_what_they_share_once(
    driver: FilesystemDriver, disk: Disk
) -> None:
    await driver.put("/l/0/link", b"0")
    disk.batches.clear()
    await apply_all(driver, *([Put(f"/l/{number}/link", b"1")] for number in range(1, 5)))
    contents, directories = disk.batches
    assert len(contents) == 4
    assert sorted(directories) == ["/l", "/l/1", "/l/2", "/l/3", "/l/4"]


async def test_a_commit_that_fails_harms_no_other(driver: FilesystemDriver, tmp_path: Path) -> None:
    await driver.put("/file", b"")
    results = await apply_all(
        driver,
        [Put("/a/1", b"1")],
        [Put("/a/2", b"2"), Move("/missing", "/a/m"), Put("/a/never", b"")],
        [Put("/file/below", b"3")],
        [Put("/a/4", b"4"), Barrier(), Put("/a/5", b"5")],
    )
    assert results[0] is None
    assert isinstance(results[1], PathNotFound)
    assert isinstance(results[2], DriverError)
    assert results[3] is None
    assert set(files(tmp_path)) - {"a/2"} == {"file", "a/1", "a/4", "a/5"}


async def test_a_content_that_cannot_be_synced_fails_its_own_commit(
    driver: FilesystemDriver, disk: Disk, tmp_path: Path
) -> None:
    disk.faulty = r"/b/bad\..*"
    results = await apply_all(
        driver, [Put("/a/good", b"1")], [Put("/a/other", b""), Put("/b/bad", b"2")]
    )
    assert results[0] is None
    assert isinstance(results[1], DriverUnavailable)
    assert results[1].path == "/b/bad"
    assert files(tmp_path) == ["a/good"]


async def test_a_directory_that_cannot_be_synced_fails_all_that_changed_it(
    driver: FilesystemDriver, disk: Disk
) -> None:
    await driver.put("/a/1/link", b"")
    await driver.put("/b/1/link", b"")
    disk.faulty = "/a"
    results = await apply_all(
        driver,
        [Put("/a/2/link", b"")],
        [Put("/b/2/link", b"")],
        [Put("/b/3", b""), Put("/a/3", b"")],
    )
    assert [type(result) for result in results] == [
        DriverUnavailable,
        type(None),
        DriverUnavailable,
    ]
    # Nothing of it counts as durable.
    disk.faulty = ""
    disk.batches.clear()
    await driver.put("/a/2/link", b"again")
    assert "/a" in disk.batches[-1]


async def test_nothing_behind_a_barrier_is_seen_before_all_in_front_of_it_is_synced(
    driver: FilesystemDriver, disk: Disk, tmp_path: Path
) -> None:
    seen: list[bool] = []
    sync = disk.sync

    def look(descriptors: Sequence[int]) -> list[OSError | None]:
        seen.append((tmp_path / "t/2").exists())
        return sync(descriptors)

    disk.sync = look  # type: ignore[method-assign]
    await apply_all(
        driver,
        [Put("/a", b"")],
        [Put("/t/1", b""), Barrier(), Put("/t/2", b"")],
        [Put("/b", b""), Barrier(), Put("/c", b"")],
    )
    assert seen == [False, False, True]
    assert sorted(disk.batches[1]) == ["/", "/t"]
    assert sorted(disk.batches[2]) == ["/", "/t"]


async def test_uploads_are_filled_and_published_together(
    driver: FilesystemDriver, disk: Disk, tmp_path: Path
) -> None:
    names = range(4)
    for number in names:
        await driver.apply([BeginUpload(f"/u/{number}/data")])
    await driver.put("/b/0", b"")
    await driver.put("/l/0", b"")
    disk.batches.clear()
    lists: list[list[Change]] = [
        [
            Fill(f"/u/{number}/data", b"%d" % number),
            MoveOut(f"/u/{number}/data", f"/b/b{number}/data"),
            Put(f"/l/l{number}", b"1"),
        ]
        for number in names
    ]
    assert await apply_all(driver, *lists) == [None] * 4
    contents, directories = disk.batches
    assert len(contents) == 8
    assert sorted(directories) == ["/b", "/l"]
    for number in names:
        assert (tmp_path / f"b/b{number}/data").read_bytes() == b"%d" % number


async def test_an_upload_that_holds_something_is_not_filled(
    driver: FilesystemDriver, tmp_path: Path
) -> None:
    async with await driver.open_appender("/u/data", create=True) as writer:
        await writer.write(b"content")
    with pytest.raises(DriverUnavailable):
        await driver.apply([Fill("/u/data", b"other"), MoveOut("/u/data", "/b/data")])
    assert (tmp_path / "u/data").read_bytes() == b"content"
    with pytest.raises(PathNotFound):
        await driver.apply([Fill("/u/none", b"other")])


async def test_an_upload_whose_content_cannot_be_synced_is_gone(
    driver: FilesystemDriver, disk: Disk, tmp_path: Path
) -> None:
    await driver.apply([BeginUpload("/u/data")])
    disk.faulty = "/u/data"
    with pytest.raises(DriverUnavailable):
        await driver.apply([Fill("/u/data", b"content"), MoveOut("/u/data", "/b/data")])
    assert files(tmp_path) == []


async def test_little_that_is_appended_is_synced_with_what_others_commit(
    driver: FilesystemDriver, disk: Disk
) -> None:
    writers = [await driver.open_appender(f"/u/{n}", create=True) for n in range(3)]
    disk.batches.clear()
    async with create_task_group() as tasks:
        for writer in writers:
            tasks.start_soon(writer.write_durably, b"content")
        tasks.start_soon(driver.apply, [Put("/a", b"")])
    assert [len(batch) for batch in disk.batches] == [4, 1]
    for writer in writers:
        assert writer.size == 7
        await writer.aclose()
    assert len(disk.batches) == 2


async def test_what_is_appended_and_cannot_be_synced_is_gone(
    driver: FilesystemDriver, disk: Disk, tmp_path: Path
) -> None:
    good, bad = [await driver.open_appender(f"/u/{name}", create=True) for name in ("good", "bad")]
    disk.faulty = "/u/bad"
    results = await asyncio.gather(
        *(writer.write_durably(b"content") for writer in (good, bad)), return_exceptions=True
    )
    assert results[0] is None
    assert isinstance(results[1], DriverUnavailable)
    assert [path.name for path in (tmp_path / "u").iterdir()] == ["good"]
    await good.aclose()
    with pytest.raises(PathNotFound):
        await bad.aclose()


async def test_what_takes_long_keeps_nobody_waiting(driver: FilesystemDriver, disk: Disk) -> None:
    await driver.put("/a/1", b"")
    disk.batches.clear()
    await apply_all(driver, [Delete("/a/1")], [Put("/large", bytes(1024 * 1024))], [Put("/b", b"")])
    # Each by itself.
    assert len(disk.batches) == 6
