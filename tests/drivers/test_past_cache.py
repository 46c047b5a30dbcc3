"""Writes that go straight to the disk: what can, what cannot, and what those leave that fail."""

import errno
import fcntl
import mmap
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.drivers.filesystem.past_cache import write_past_cache

__all__: list[str] = []

PAGE = mmap.PAGESIZE
CONTENT = random.Random(3).randbytes(8 * PAGE + 100)


@pytest.fixture
def block() -> memoryview:
    memory = memoryview(mmap.mmap(-1, len(CONTENT)))
    memory[:] = CONTENT
    return memory


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    yield opened
    assert not fcntl.fcntl(opened, fcntl.F_GETFL) & os.O_DIRECT
    os.close(opened)


@pytest.fixture(autouse=True)
def can_pass(tmp_path: Path) -> None:
    try:
        os.close(os.open(tmp_path / "probe", os.O_CREAT | os.O_RDWR | os.O_DIRECT))
    except OSError:
        pytest.skip("this file system writes nothing past the cache")


def stored(descriptor: int) -> bytes:
    return os.pread(descriptor, 2 * len(CONTENT), 0)


def test_whole_pages_go_to_the_disk(
    descriptor: int, block: memoryview, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    flags: list[int] = []

    def note(file: int, chunk: memoryview) -> int:
        flags.append(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT)
        return write(file, chunk)

    monkeypatch.setattr(os, "write", note)
    for _ in range(2):
        assert write_past_cache(descriptor, block) == 8 * PAGE
    assert flags == [os.O_DIRECT] * 2
    assert stored(descriptor) == CONTENT[: 8 * PAGE] * 2


def test_what_is_not_aligned_does_not_or_the_system_sees_to_it(
    descriptor: int, block: memoryview
) -> None:
    expected = b""
    for chunk in (block[1:], block[:10], b"", b"odd", block):
        passed = write_past_cache(descriptor, chunk)
        assert passed in (0, len(chunk) - len(chunk) % PAGE)
        expected += chunk[:passed]
        os.write(descriptor, b"odd")
        expected += b"odd"
    assert stored(descriptor) == expected


def test_where_the_file_system_refuses_nothing_is_written(
    descriptor: int, block: memoryview, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        assert write_past_cache(descriptor, block) == 0
    assert stored(descriptor) == b""


def test_a_fault_of_the_disk_is_raised(
    descriptor: int, block: memoryview, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        with pytest.raises(OSError, match="28"):
            write_past_cache(descriptor, block)


@pytest.mark.parametrize(("first", "written"), [(3 * PAGE, 8 * PAGE), (3 * PAGE + 7, 3 * PAGE + 7)])
def test_writes_that_are_cut_short_are_gone_on_with_as_far_as_pages_are_whole(
    descriptor: int,
    block: memoryview,
    monkeypatch: pytest.MonkeyPatch,
    first: int,
    written: int,
) -> None:
    write = os.write
    limits = iter((first, 2 * PAGE, len(CONTENT)))

    def cut(file: int, chunk: memoryview) -> int:
        flags = fcntl.fcntl(file, fcntl.F_GETFL)
        # The test's own part of a page can be written in no other way.
        fcntl.fcntl(file, fcntl.F_SETFL, flags & ~os.O_DIRECT)
        return write(file, chunk[: next(limits)])

    monkeypatch.setattr(os, "write", cut)
    assert write_past_cache(descriptor, block) == written
    assert stored(descriptor) == CONTENT[:written]
