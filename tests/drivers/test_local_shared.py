"""Contents that several files share, as they are on the disk."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.drivers.local_shared import SharedContents

__all__: list[str] = []


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[SharedContents]:
    contents = SharedContents(str(tmp_path), durable=True)
    yield contents
    contents.close()


def test_files_of_one_content_are_one_file_and_those_of_another_are_not(
    shared: SharedContents, tmp_path: Path
) -> None:
    targets = [tmp_path / name for name in "abc"]
    for target, content in zip(targets, (b"1", b"1", b"2"), strict=True):
        assert shared.link(content, str(target))
        assert target.read_bytes() == content
    first, second, third = (target.stat().st_ino for target in targets)
    assert first == second != third
    assert sorted(tmp_path.iterdir()) == targets


def test_one_is_begun_anew_when_the_last_name_is_gone(
    shared: SharedContents, tmp_path: Path
) -> None:
    for name in "abc":
        assert shared.link(b"1", str(tmp_path / name))
        (tmp_path / name).unlink()
    assert shared.link(b"1", str(tmp_path / "d"))
    assert (tmp_path / "d").read_bytes() == b"1"


def test_what_has_the_name_already_is_left_alone(shared: SharedContents, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    assert not shared.link(b"1", str(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == b"old"
    assert shared.link(b"1", str(tmp_path / "b"))


def test_a_content_is_durable_before_it_has_a_name(
    shared: SharedContents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    sync, link = os.fsync, os.link

    def note_sync(descriptor: int) -> None:
        calls.append("sync")
        sync(descriptor)

    def note_link(source: str, target: str, *, src_dir_fd: int) -> None:
        calls.append("link")
        link(source, target, src_dir_fd=src_dir_fd)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "link", note_link)
    for name in "ab":
        shared.link(b"1", str(tmp_path / name))
    assert calls == ["sync", "link", "link"]


def test_a_content_that_cannot_be_made_durable_gets_no_name(
    shared: SharedContents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        assert not shared.link(b"1", str(tmp_path / "a"))
        assert not shared.link(b"1", str(tmp_path / "a"))
    assert list(tmp_path.iterdir()) == []
    assert shared.link(b"1", str(tmp_path / "a"))


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EISDIR])
def test_where_the_file_system_cannot_it_is_asked_but_once(
    shared: SharedContents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    asked = 0

    def refuse(*_: object) -> int:
        nonlocal asked
        asked += 1
        raise OSError(number, "")

    monkeypatch.setattr(os, "open", refuse)
    for _ in range(3):
        assert not shared.link(b"1", str(tmp_path / "a"))
    assert asked == 1
    assert list(tmp_path.iterdir()) == []
