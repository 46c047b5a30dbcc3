"""The filesystem driver when processes are killed, disks are full and syncs fail."""

import asyncio
import gc
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from core.drivers import (
    CleanUp,
    Delete,
    FilesystemDriver,
    StorageDriver,
    create_driver,
)
from core.drivers.filesystem import atomic
from core.drivers.filesystem.files import claim
from core.errors import DriverError, PathNotFound, WriterBusy
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


# Syncs.


def trace(code: str, root: Path, log: Path, *, durability: str = "full", inject: str = "") -> str:
    """Run `code` under strace; return what it printed."""
    prefix = ["strace", "-f", "-qq", "-y", "-o", str(log)]
    calls = "fsync,fdatasync,io_setup,io_submit,rename,renameat,renameat2,unlink,mkdir"
    prefix += ["-e", f"trace={calls}"]
    if inject:
        # Syncs are made one by one where the system takes none together.
        prefix += ["-e", f"inject={inject}", "-e", "inject=io_setup:error=ENOSYS"]
    done = run(code, root, durability=durability, prefix=prefix)
    assert done.stderr == ""
    return done.stdout


def changes(log: Path, root: Path) -> list[str]:
    """Return the calls that changed or synced something below `root`, with short names."""

    def shorten(place: str) -> str:
        return re.sub(r"\.[0-9a-f-]{36}\.tmp", "~", place.removeprefix(str(root))) or "/"

    found = []
    for line in log.read_text().splitlines():
        if "IOCB_CMD_FSYNC" in line:
            found += [
                f"fsync {shorten(place)}" for place in re.findall(r"fildes=\d+<([^>]*)>", line)
            ]
            continue
        call = re.search(r"(fsync|fdatasync|rename|unlink|mkdir)\w*\((.*)\) += 0", line)
        if call is None or str(root) not in call[2]:
            continue
        places = re.findall(re.escape(str(root)) + r"([^\">]*)", call[2])
        found.append(" ".join([call[1], *map(shorten, places)]))
    return found


@pytest.mark.needs("strace")
def test_a_put_syncs_the_file_then_gives_it_its_name_then_syncs_each_directory_once(
    root: Path, tmp_path: Path
) -> None:
    root.mkdir()
    log = tmp_path / "log"
    assert trace('await driver.put("/a/b/c", b"content")', root, log) == ""
    assert changes(log, root) == [
        "mkdir /a",
        "mkdir /a/b",
        "fsync /a/b/c~",
        "rename /a/b/c~ /a/b/c",
        "fsync /",
        "fsync /a",
        "fsync /a/b",
    ]


@pytest.mark.needs("strace")
def test_a_second_put_syncs_no_directory_that_is_known(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    log = tmp_path / "log"
    trace('await driver.put("/a/b", b"1")\nawait driver.put("/a/c", b"2")', root, log)
    assert changes(log, root)[-3:] == ["fsync /a/c~", "rename /a/c~ /a/c", "fsync /a"]
    assert changes(log, root).count("fsync /") == 1


def assert_durable(calls: list[str], end: int | None = None) -> None:
    """Assert that calls up to `end` leave nothing that a crash could take back.

    Each file was synced before it got its name, and each directory after its last change.
    """
    unsynced = set()
    synced = set()
    for call in calls[:end]:
        name, *paths = call.split()
        if name == "fsync":
            synced.add(paths[0])
            unsynced.discard(paths[0])
            continue
        if name == "rename":
            assert paths[0] in synced, f"{call} of what is not durable"
            # A directory takes its entries along.
            assert paths[0] not in unsynced, f"{call} of what is not durable"
        unsynced.add(str(Path(paths[-1]).parent))
    assert not unsynced


def uploading(begin: str, append: str, finish: str) -> str:
    """Return what pushes a blob by three hands, each a driver."""
    return f"""
other = create_driver("filesystem", {{"root": sys.argv[1], "durability": sys.argv[2]}})
await {begin}.apply([Put("/u/1/startedat", b"now"), BeginUpload("/u/1/data")])
async with await {append}.open_appender("/u/1/data") as writer:
    await writer.write_durably(b"content")
async with await {finish}.open_appender("/u/1/data") as writer:
    await writer.commit()
    await {finish}.apply([MoveOut("/u/1/data", "/b/1/data"), Put("/l/1/link", b"1")])
"""


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    ("begin", "append", "finish", "content_syncs", "synced_again"),
    [
        ("driver", "driver", "driver", 1, False),
        ("other", "driver", "driver", 2, True),
        ("driver", "other", "driver", 2, True),
        ("driver", "driver", "other", 2, True),
    ],
)
def test_an_upload_is_synced_once_by_one_process_and_again_by_the_next(
    root: Path,
    tmp_path: Path,
    begin: str,
    append: str,
    finish: str,
    content_syncs: int,
    synced_again: bool,
) -> None:
    root.mkdir()
    log = tmp_path / "log"
    assert trace(uploading(begin, append, finish), root, log) == ""
    # What is left beside the blob in a crash harms nobody.
    calls = [call for call in changes(log, root) if not call.endswith("startedat")]
    moved = calls.index("rename /u/1 /b/1")
    assert calls[:moved].count("fsync /u/1/data") == content_syncs
    assert_durable(calls)
    assert calls[moved:].count("fsync /b") == 1
    assert ("fsync /b/1" in calls[moved:]) is synced_again
    assert files(root) == ["b/1/data", "l/1/link"]


@pytest.mark.needs("strace")
def test_changes_made_together_sync_every_content_first_and_every_directory_once(
    root: Path, tmp_path: Path
) -> None:
    root.mkdir()
    (root / "u" / "1").mkdir(parents=True)
    (root / "u" / "1" / "data").write_bytes(b"")
    log = tmp_path / "log"
    code = """
async with await driver.open_appender("/u/1/data") as writer:
    await writer.write_durably(b"content")
await driver.apply([Move("/u/1/data", "/b/1/data"), Put("/l/1/link", b"1"), CleanUp("/u/1")])
"""
    assert trace(code, root, log) == ""
    calls = changes(log, root)
    assert_durable([call for call in calls if "rmdir" not in call])
    syncs = [call for call in calls if call.startswith("fsync")]
    assert syncs[:2] == ["fsync /u/1/data", "fsync /l/1/link~"]
    assert sorted(syncs[2:]) == [f"fsync {path}" for path in ("/", "/b", "/b/1", "/l", "/l/1")]
    assert calls.index("fsync /l/1/link~") < calls.index("rename /u/1/data /b/1/data")


@pytest.mark.needs("strace")
def test_what_stands_before_a_barrier_is_durable_before_what_stands_behind_it_is_seen(
    root: Path, tmp_path: Path
) -> None:
    root.mkdir()
    log = tmp_path / "log"
    code = """
await driver.apply([
    Put("/b/1/data", b"content"), Put("/r/1/link", b"1"), Put("/t/index/link", b"1"),
    Barrier(),
    Put("/t/current/link", b"1"),
])
"""
    assert trace(code, root, log) == ""
    calls = changes(log, root)
    seen = calls.index("rename /t/current/link~ /t/current/link")
    assert "fsync /t/current/link~" in calls[:seen]
    assert_durable(calls, seen)
    assert calls[seen + 1 :] == ["fsync /t/current"]


@pytest.mark.needs("strace")
def test_a_deletion_is_durable_and_an_upload_is_begun_with_one_sync_of_its_directory(
    root: Path, tmp_path: Path
) -> None:
    root.mkdir()
    (root / "a").write_bytes(b"")
    log = tmp_path / "log"
    code = """
await driver.apply([Delete("/a"), Put("/u/1/startedat", b"now"), BeginUpload("/u/1/data")])
"""
    assert trace(code, root, log) == ""
    calls = changes(log, root)
    assert_durable(calls)
    assert calls[calls.index("unlink /a") :] == [
        "unlink /a",
        "rename /u/1/startedat~ /u/1/startedat",
        *("fsync /", "fsync /u", "fsync /u/1"),
    ]


@pytest.mark.needs("strace")
def test_a_directory_is_not_taken_for_durable_whose_sync_failed(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    log = tmp_path / "log"
    code = """
for turn in range(2):
    try:
        await driver.put("/a/b", b"content")
    except DriverError as error:
        print(error)
"""
    printed = trace(code, root, log, inject="fsync:error=EIO:when=2")
    assert printed == "filesystem: EIO: /a/b\n"
    assert changes(log, root).count("fsync /") == 1


@pytest.mark.needs("strace")
@pytest.mark.parametrize("number", [1, 2])
def test_no_change_is_made_where_a_content_could_not_be_synced(
    root: Path, tmp_path: Path, number: int
) -> None:
    root.mkdir()
    (root / "a").write_bytes(b"old")
    code = 'await driver.apply([Put("/a", b"new"), Delete("/a"), Put("/b", b"new")])'
    printed = trace(code, root, tmp_path / "log", inject=f"fsync:error=EIO:when={number}")
    assert printed == f"DriverUnavailable filesystem: EIO: /{'ab'[number - 1]}\n"
    assert (root / "a").read_bytes() == b"old"
    assert files(root) == ["a"]


@pytest.mark.needs("strace")
def test_leftovers_that_cannot_be_deleted_are_logged_and_the_rest_is_done(
    root: Path, tmp_path: Path
) -> None:
    root.mkdir()
    (root / "a").write_bytes(b"")
    code = 'await driver.apply([CleanUp("/a"), Put("/b", b"")])'
    printed = trace(code, root, tmp_path / "log", inject="unlink:error=EROFS:when=1")
    assert "leftovers were not deleted" in printed
    assert files(root) == ["a", "b"]


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


@pytest.mark.needs("strace")
def test_an_upload_syncs_its_bytes_before_they_are_moved_and_then_the_new_name(
    root: Path, tmp_path: Path
) -> None:
    root.mkdir()
    log = tmp_path / "log"
    code = """
async with await driver.open_appender("/u/data", create=True) as writer:
    await writer.write(b"content")
    await writer.commit()
    await driver.move("/u/data", "/b/data")
    await driver.delete("/u")
"""
    assert trace(code, root, log) == ""
    calls = changes(log, root)
    assert_durable(calls)
    assert [call for call in calls if not call.startswith("mkdir")] == [
        *("fsync /", "fsync /u"),
        "fsync /u/data",
        "rename /u/data /b/data",
        *("fsync /", "fsync /b"),
        "fsync /",
    ]


@pytest.mark.needs("strace")
def test_a_relaxed_store_syncs_nothing(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    log = tmp_path / "log"
    code = """
await driver.put("/a/b/c", b"content")
async with await driver.open_appender("/u", create=True) as writer:
    await writer.write(b"content")
    await writer.commit()
await driver.move("/u", "/v")
await driver.delete("/a")
await driver.apply([Put("/c/d", b""), Barrier(), BeginUpload("/w")])
"""
    assert trace(code, root, log, durability="relaxed") == ""
    assert [call for call in changes(log, root) if "sync" in call] == []
    assert "rename /u /v" in changes(log, root)


@pytest.mark.needs("strace")
def test_a_put_whose_sync_fails_leaves_the_old_value_and_no_file(
    root: Path, tmp_path: Path
) -> None:
    root.mkdir()
    (root / "a").write_bytes(b"old")
    code = 'await driver.put("/a", b"new")'
    printed = trace(code, root, tmp_path / "log", inject="fsync:error=EIO:when=1")
    assert printed == "DriverUnavailable filesystem: EIO: /a\n"
    assert (root / "a").read_bytes() == b"old"
    assert files(root) == ["a"]


@pytest.mark.needs("strace")
def test_bytes_whose_sync_failed_are_never_taken_for_stored(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    code = """
writer = await driver.open_appender("/a", create=True)
await writer.write(b"content")
for turn in range(2):
    try:
        await writer.commit()
    except DriverError as error:
        print(error)
try:
    await driver.open_appender("/a")
except DriverError as error:
    print(error)
"""
    # The first sync is that of the directory.
    printed = trace(code, root, tmp_path / "log", inject="fsync:error=EIO:when=2")
    assert printed.splitlines() == [
        "filesystem: EIO: /a",
        "filesystem: path not found: /a",
        "filesystem: path not found: /a",
    ]
    assert files(root) == []


@pytest.mark.needs("strace")
def test_a_new_value_whose_sync_failed_is_not_committed_by_a_second_try(
    root: Path, tmp_path: Path
) -> None:
    root.mkdir()
    code = """
async with await driver.open_writer("/a") as writer:
    await writer.write(b"content")
    for turn in range(2):
        try:
            await writer.commit()
        except DriverError as error:
            print(error)
"""
    printed = trace(code, root, tmp_path / "log", inject="fsync:error=EIO:when=1")
    assert printed.splitlines() == ["filesystem: EIO: /a", "filesystem: path not found: /a"]
    assert files(root) == []


@pytest.mark.needs("strace")
def test_a_put_whose_directory_sync_fails_is_not_acknowledged(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    printed = trace(
        'await driver.put("/a", b"new")',
        root,
        tmp_path / "log",
        inject="fsync:error=EIO:when=2",
    )
    assert printed == "DriverUnavailable filesystem: EIO: /a\n"


@pytest.mark.needs("strace")
def test_an_upload_that_cannot_be_deleted_is_let_go_all_the_same(
    root: Path, tmp_path: Path
) -> None:
    code = """
writer = await driver.open_appender("/a", create=True)
try:
    await writer.cancel()
except DriverError as error:
    print(error)
async with await driver.open_appender("/a") as writer:
    print("claimed")
"""
    printed = trace(code, root, tmp_path / "log", inject="unlink:error=EROFS:when=1")
    assert printed.splitlines() == ["filesystem: EROFS: /a", "claimed"]


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
