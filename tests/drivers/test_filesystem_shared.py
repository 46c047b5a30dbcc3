"""Contents that several files share, as they are on the disk."""

import os
from pathlib import Path

import anyio
import pytest

from core.drivers import BeginUpload, FilesystemDriver, Put
from core.drivers.filesystem.shared import SharedContents

__all__: list[str] = []


@pytest.fixture
def shared(tmp_path: Path) -> SharedContents:
    """One that has shared the file `first`, with the content 1."""
    first = tmp_path / "first"
    first.write_bytes(b"1")
    contents = SharedContents()
    assert not contents.link(b"1", str(tmp_path / "early"))
    contents.remember(b"1", first.stat(), str(first))
    return contents


def test_files_of_one_content_are_one_file_and_those_of_another_are_not(
    shared: SharedContents, tmp_path: Path
) -> None:
    assert shared.link(b"1", str(tmp_path / "a"))
    assert (tmp_path / "a").samefile(tmp_path / "first")
    assert not shared.link(b"2", str(tmp_path / "b"))
    assert not (tmp_path / "b").exists()


def test_the_newest_name_does_when_older_ones_are_gone(
    shared: SharedContents, tmp_path: Path
) -> None:
    old = tmp_path / "first"
    for name in "abc":
        assert shared.link(b"1", str(tmp_path / name))
        old.unlink()
        old = tmp_path / name
    old.unlink()
    assert not shared.link(b"1", str(tmp_path / "d"))


def test_what_has_the_name_already_is_left_alone(shared: SharedContents, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    assert not shared.link(b"1", str(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == b"old"
    assert shared.link(b"1", str(tmp_path / "b"))


def test_a_file_that_was_put_in_the_place_of_the_latest_is_not_shared(
    shared: SharedContents, tmp_path: Path
) -> None:
    (tmp_path / "other").write_bytes(b"2")
    (tmp_path / "other").replace(tmp_path / "first")
    assert not shared.link(b"1", str(tmp_path / "a"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first"]


def test_where_files_have_but_one_name_each_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    share(tmp_path, 3)
    assert {path.stat().st_nlink for path in tmp_path.rglob("startedat")} == {1}


def test_the_driver_shares_what_it_has_written_and_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    sync, link = os.fsync, os.link

    def note_sync(descriptor: int) -> None:
        calls.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name[:9]}")
        sync(descriptor)

    def note_link(source: str, target: str) -> None:
        calls.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "link", note_link)
    share(tmp_path, 3)
    files = list(tmp_path.rglob("startedat"))
    assert len(files) == 3
    assert {path.stat().st_nlink for path in files} == {3}
    assert {path.read_bytes() for path in files} == {b"now"}
    assert calls == ["sync startedat", "link", "link"]


def share(root: Path, uploads: int) -> None:
    async def begin() -> None:
        driver = FilesystemDriver(root)
        for number in range(uploads):
            begun = f"/u/{number}/startedat"
            await driver.apply(
                [Put(begun, b"now", may_share=True), BeginUpload(f"/u/{number}/data")]
            )
        await driver.aclose()

    anyio.run(begin)
