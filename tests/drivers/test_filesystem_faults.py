"""The filesystem driver on full disks, and what it tells of faults."""

import asyncio
import gc
import os
import shutil
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from core.drivers import FilesystemDriver, StorageDriver, create_driver
from core.drivers.filesystem import atomic
from core.drivers.filesystem.files import claim
from core.errors import DriverError, PathNotFound
from tests.drivers.child import run

__all__: list[str] = []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def driver(root: Path) -> StorageDriver:
    return create_driver("filesystem", {"root": root})


# Full disks.


@pytest.fixture
def on_small_disk(tmp_path: Path) -> Callable[[str], list[str]]:
    mounted = tmp_path / "disk"
    mounted.mkdir()

    def run_there(code: str) -> list[str]:
        script = f'mount -t tmpfs -o size=2m tmpfs {mounted} && exec "$@"'
        done = run(code, mounted / "root", prefix=["unshare", "-m", "sh", "-ec", script, "sh"])
        assert done.stderr == ""
        return done.stdout.splitlines()

    return run_there


@pytest.mark.needs("root")
def test_a_put_to_a_full_disk_leaves_the_old_value_and_no_file(
    on_small_disk: Callable[[str], list[str]],
) -> None:
    lines = on_small_disk("""
await driver.put("/a", b"old")
try:
    await driver.put("/a", b"x" * 3_000_000)
except StorageFull as error:
    print(error)
print(await driver.get("/a"), os.listdir(sys.argv[1]))
""")
    assert lines == ["filesystem: no space left: /a", "b'old' ['a']"]


@pytest.mark.needs("root")
def test_an_upload_to_a_full_disk_keeps_what_fitted(
    on_small_disk: Callable[[str], list[str]],
) -> None:
    lines = on_small_disk("""
await driver.put("/ballast", b"x" * 1_000_000)
async with await driver.open_appender("/a", create=True) as writer:
    await writer.write(b"a" * 500_000)
    try:
        await writer.write(b"b" * 3_000_000)
    except StorageFull as error:
        print(error)
    print(500_000 <= writer.size < 2_097_152)
    size = writer.size
await driver.delete("/ballast")
async with await driver.open_appender("/a") as writer:
    print(writer.size == size)
    await writer.write(b"c")
    await writer.commit()
content = await driver.get("/a")
print(content == b"a" * 500_000 + b"b" * (size - 500_000) + b"c")
""")
    assert lines == ["filesystem: no space left: /a", "True", "True", "True"]


@pytest.mark.needs("root")
def test_a_writer_to_a_full_disk_leaves_nothing(
    on_small_disk: Callable[[str], list[str]],
) -> None:
    lines = on_small_disk("""
try:
    async with await driver.open_writer("/a") as writer:
        await writer.write(b"b" * 3_000_000)
except StorageFull as error:
    print(error)
print(os.listdir(sys.argv[1]))
""")
    assert lines == ["filesystem: no space left: /a", "[]"]


# What is told of it.


async def test_no_fault_tells_a_path_of_the_host(driver: StorageDriver, root: Path) -> None:
    await driver.put("/a/b", b"")
    (root / "loop").symlink_to("loop")
    calls: list[Callable[[], object]] = [
        lambda: driver.get("/missing"),
        lambda: driver.get("/a"),
        lambda: driver.get("/loop"),
        lambda: driver.put("/a", b""),
        lambda: driver.put("/a/b/c", b""),
        lambda: driver.put("/loop/x", b""),
        lambda: driver.put("/" + "n" * 300, b""),
        lambda: driver.stat("/loop"),
        lambda: driver.stat("/" + "n" * 300),
        lambda: driver.move("/missing", "/b"),
        lambda: driver.move("/a/b", "/a"),
        lambda: driver.move("/a/b", "/loop/x"),
        lambda: driver.delete("/loop/x"),
        lambda: driver.open_appender("/loop"),
        lambda: driver.open_writer("/loop/x"),
    ]
    for call in calls:
        with pytest.raises(DriverError) as caught:
            await call()  # type: ignore[misc]
        assert str(root.parent) not in str(caught.value)
        assert caught.value.driver == "filesystem"


def test_the_root_is_made_at_the_first_write_only(root: Path) -> None:
    FilesystemDriver(root)
    assert not root.exists()


async def test_new_files_have_the_modes_of_the_incumbent(driver: StorageDriver, root: Path) -> None:
    mask = os.umask(0o022)
    os.umask(mask)
    await driver.put("/a/b", b"")
    async with await driver.open_appender("/a/c", create=True):
        pass
    assert (root / "a").stat().st_mode & 0o777 == 0o777 & ~mask
    assert (root / "a" / "b").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (root / "a" / "c").stat().st_mode & 0o777 == 0o666 & ~mask


async def test_a_directory_that_another_process_deletes_first_is_not_found(
    driver: StorageDriver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.put("/a/b/c", b"content")
    unlink = os.unlink

    def unlink_too_late(path: str) -> None:
        monkeypatch.undo()
        try:
            unlink(path)
        finally:
            shutil.rmtree(path)

    monkeypatch.setattr(os, "unlink", unlink_too_late)
    with pytest.raises(PathNotFound):
        await driver.delete("/a/b")


async def cancel_by_force(work: Coroutine[object, object, object]) -> None:
    """Cancel a task as a server does that stops at once: without the shields of anyio."""
    task = asyncio.get_running_loop().create_task(work)
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_is_cancelled_by_force_leaves_no_file_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = FilesystemDriver(tmp_path)
    async with await driver.open_appender("/a/data", create=True):
        pass

    def claim_slowly(path: str, target: str, descriptor: int) -> None:
        claim(path, target, descriptor)
        time.sleep(0.2)

    with monkeypatch.context() as patch:
        patch.setattr("core.drivers.filesystem.files.claim", claim_slowly)
        await cancel_by_force(driver.open_appender("/a/data", create=True))
        await asyncio.sleep(0.3)
    gc.collect()
    async with await driver.open_appender("/a/data") as appender:
        await appender.write(b"x")
    assert await driver.get("/a/data") == b"x"


async def test_a_file_is_not_closed_under_the_thread_that_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number would be given to another file, which would be written to."""
    driver = FilesystemDriver(tmp_path)
    writer = await driver.open_writer("/a/data")
    write_all = atomic.write_all

    def write_slowly(descriptor: int, content: bytes) -> None:
        time.sleep(0.2)
        write_all(descriptor, content)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write_all", write_slowly)
        await cancel_by_force(writer.write(b"of another file"))
        await writer.aclose()
        async with await driver.open_appender("/b/data", create=True):
            await asyncio.sleep(0.3)
    assert await driver.get("/b/data") == b""
    assert [entry.name async for entry in driver.list("/a")] == []
