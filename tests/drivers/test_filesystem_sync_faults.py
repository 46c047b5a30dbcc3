"""The filesystem driver when syncs fail."""

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
