"""The filesystem driver when processes are killed, and when others are at it too."""

import os
import subprocess
from pathlib import Path

import pytest

from core.drivers import CleanUp, Delete, StorageDriver, create_driver
from core.drivers.filesystem.files import claim
from core.errors import PathNotFound, WriterBusy
from tests.drivers.child import ROOT, command, run

__all__: list[str] = []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def driver(root: Path) -> StorageDriver:
    return create_driver("filesystem", {"root": root})


def files(root: Path) -> list[str]:
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


# What a crash leaves.


async def test_crash_leftovers_are_not_listed(driver: StorageDriver, root: Path) -> None:
    await driver.put("/a/link", b"content")
    leftover = root / "a" / "link.0190a6a2-3a5f-7cc0-8a11-5f0e4e1b2c3d.tmp"
    leftover.write_bytes(b"half")
    (root / "a" / "kept.tmp").write_bytes(b"")
    names = [entry.name async for entry in driver.list("/a")]
    assert names == ["kept.tmp", "link"]


async def test_names_that_no_path_can_have_are_not_listed(
    driver: StorageDriver, root: Path
) -> None:
    await driver.put("/a/b", b"content")
    (root / "a" / "lost+found").mkdir()
    (root / "a" / "a b").touch()
    (root / "a" / os.fsdecode(b"\xff")).touch()
    assert [entry.name async for entry in driver.list("/a")] == ["b"]


async def test_a_process_killed_during_a_put_leaves_the_old_value(
    driver: StorageDriver, root: Path
) -> None:
    await driver.put("/a/b", b"old")
    killed = run(
        """
os.replace = lambda source, target: os.kill(os.getpid(), signal.SIGKILL)
await driver.put("/a/b", b"new" * 1000)
""",
        root,
    )
    assert killed.returncode == -9
    assert await driver.get("/a/b") == b"old"
    assert [entry.name async for entry in driver.list("/a")] == ["b"]
    assert len(files(root)) == 2
    await driver.put("/a/b", b"newer")
    assert await driver.get("/a/b") == b"newer"


async def test_a_process_killed_after_the_rename_leaves_the_whole_value(
    driver: StorageDriver, root: Path
) -> None:
    await driver.put("/a/b", b"old")
    killed = run(
        """
replace = os.replace
def replace_and_die(source, target):
    replace(source, target)
    os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace_and_die
await driver.put("/a/b", b"new" * 1000)
""",
        root,
    )
    assert killed.returncode == -9
    assert await driver.get("/a/b") == b"new" * 1000
    assert files(root) == ["a/b"]


async def test_a_process_killed_during_an_append_leaves_bytes_to_go_on_from(
    driver: StorageDriver, root: Path
) -> None:
    killed = run(
        """
writer = await driver.open_appender("/a", create=True)
await writer.write(b"first")
os.kill(os.getpid(), signal.SIGKILL)
""",
        root,
    )
    assert killed.returncode == -9
    async with await driver.open_appender("/a") as writer:
        assert writer.size == 5
        await writer.write(b" second")
        await writer.commit()
    assert await driver.get("/a") == b"first second"


async def test_a_process_killed_amid_several_changes_leaves_the_first_of_them_each_whole(
    driver: StorageDriver, root: Path
) -> None:
    contents = {"/b/data": b"0" * 1000, "/r/link": b"1", "/t/index": b"2", "/t/current": b"3"}
    code = """
replace, turns = os.replace, []
def replace_or_die(source, target):
    if len(turns) == %d:
        os.kill(os.getpid(), signal.SIGKILL)
    turns.append(replace(source, target))
os.replace = replace_or_die
*first, last = [Put(path, content) for path, content in %r.items()]
await driver.apply([*first, Barrier(), last])
"""
    for number in range(5):
        killed = run(code % (number, contents), root)
        assert killed.returncode == (-9 if number < 4 else 0)
        left = {path: await driver.get(path) for path in list(contents)[:number]}
        assert left == dict(list(contents.items())[:number])
        for path in list(contents)[number:]:
            with pytest.raises(PathNotFound):
                await driver.get(path)
        await driver.apply([Delete("/b"), Delete("/r", missing_ok=True), CleanUp("/t")])
    assert files(root) == []


# Other processes.


async def test_an_appender_of_another_process_is_refused(driver: StorageDriver, root: Path) -> None:
    async with await driver.open_appender("/a", create=True) as writer:
        await writer.write(b"mine")
        other = run('await driver.open_appender("/a")', root)
        assert other.stdout.startswith("WriterBusy filesystem: ")
    other = run(
        """
async with await driver.open_appender("/a") as writer:
    await writer.write(b" theirs")
    await writer.commit()
""",
        root,
    )
    assert (other.stdout, other.stderr) == ("", "")
    assert await driver.get("/a") == b"mine theirs"


async def test_the_claim_of_another_process_refuses_this_one_until_it_dies(
    driver: StorageDriver, root: Path
) -> None:
    code = """
async with await driver.open_appender("/a", create=True) as writer:
    await writer.write(b"theirs")
    print("claimed", flush=True)
    await anyio.sleep_forever()
"""
    with subprocess.Popen(command(code, root), cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"claimed\n"
        with pytest.raises(WriterBusy):
            await driver.open_appender("/a")
        other.kill()
        other.wait()
    async with await driver.open_appender("/a") as writer:
        assert writer.size == 6


@pytest.mark.parametrize("change", ["moved", "deleted", "replaced"])
def test_a_file_that_went_between_opening_and_locking_is_not_claimed(
    tmp_path: Path, change: str
) -> None:
    target = tmp_path / "data"
    target.write_bytes(b"published")
    descriptor = os.open(target, os.O_RDWR)
    try:
        match change:
            case "moved":
                target.rename(tmp_path / "blob")
            case "deleted":
                target.unlink()
            case _:
                (tmp_path / "new").write_bytes(b"")
                (tmp_path / "new").replace(target)
        with pytest.raises((PathNotFound, FileNotFoundError)):
            claim("/data", str(target), descriptor)
    finally:
        os.close(descriptor)


async def test_a_moved_file_is_not_found_by_the_appender_that_opened_it_before(
    driver: StorageDriver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.put("/a", b"published")

    def move_and_claim(path: str, target: str, descriptor: int) -> None:
        (root / "a").rename(root / "b")
        claim(path, target, descriptor)

    monkeypatch.setattr("core.drivers.filesystem.files.claim", move_and_claim)
    with pytest.raises(PathNotFound):
        await driver.open_appender("/a")
    assert (root / "b").read_bytes() == b"published"
