"""What the filesystem driver syncs, and in what order with its changes."""

from pathlib import Path

import pytest

from tests.drivers.traced import changes, trace

__all__: list[str] = []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def files(root: Path) -> list[str]:
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


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
