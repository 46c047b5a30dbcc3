"""When the disk is told to begin with a large file, and what that leaves to the sync."""

import itertools
import mmap
import os
import random
import re
import time
from pathlib import Path

import pytest

from core.drivers import FilesystemDriver, FileWriter
from core.drivers.filesystem.write_back import WriteBack
from tests.drivers.child import run

__all__: list[str] = []

MIB = 1024 * 1024
CALL = re.compile(r"(sync_file_range|fsync)\((.*)\) += 0")

WRITER = 'await driver.open_writer("/a/b")'
APPENDER = 'await driver.open_appender("/a/b", create=True)'


def told(code: str, tmp_path: Path, *, durability: str = "full") -> list[str]:
    """Run `code`, and return what the disk was told of the file."""
    root, log = tmp_path / "root", tmp_path / "log"
    root.mkdir()
    prefix = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", "trace=fsync,sync_file_range"]
    done = run(code, root, durability=durability, prefix=prefix)
    assert (done.stdout, done.stderr) == ("", "")
    found = []
    for line in log.read_text().splitlines():
        call = CALL.search(line)
        if call is not None and "/root/a/b" in call[2]:
            found.append(" ".join([call[1], *call[2].split(", ")[1:]]))
    return found


def write(opening: str, *sizes: int) -> str:
    lines = [f"async with {opening} as writer:"]
    lines += [f'    await writer.write(b"x" * {size})' for size in sizes]
    return "\n".join([*lines, "    await writer.commit()"])


@pytest.mark.needs("strace")
@pytest.mark.parametrize("opening", [WRITER, APPENDER])
def test_the_disk_begins_while_more_is_coming_and_the_sync_comes_all_the_same(
    tmp_path: Path, opening: str
) -> None:
    """It is told to begin and not to wait, which might take away what the sync has to tell."""
    calls = told(write(opening, 5 * MIB, 5 * MIB, 12 * MIB, 7 * MIB), tmp_path)
    assert calls == [
        f"sync_file_range 0 {10 * MIB} SYNC_FILE_RANGE_WRITE",
        f"sync_file_range {10 * MIB} {12 * MIB} SYNC_FILE_RANGE_WRITE",
        "fsync",
    ]


@pytest.mark.needs("strace")
def test_the_disk_begins_behind_what_an_earlier_request_has_left(tmp_path: Path) -> None:
    first = f'async with {APPENDER} as writer:\n    await writer.write(b"x" * {MIB})\n'
    calls = told(first + write('await driver.open_appender("/a/b")', 9 * MIB), tmp_path)
    assert calls == ["fsync", f"sync_file_range {MIB} {9 * MIB} SYNC_FILE_RANGE_WRITE", "fsync"]


@pytest.mark.needs("strace")
def test_little_content_waits_for_its_sync(tmp_path: Path) -> None:
    assert told(write(WRITER, MIB, MIB), tmp_path) == ["fsync"]


@pytest.mark.needs("strace")
def test_relaxed_durability_leaves_everything_to_the_system(tmp_path: Path) -> None:
    assert told(write(WRITER, 9 * MIB), tmp_path, durability="relaxed") == []


# What leaves memory.


@pytest.fixture
def dropped(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Note what is given back to the system."""
    ranges: list[tuple[int, int, int]] = []

    def note(_: int, offset: int, length: int, advice: int) -> None:
        ranges.append((offset, length, advice))

    monkeypatch.setattr(os, "posix_fadvise", note)
    return ranges


def cost(monkeypatch: pytest.MonkeyPatch, *nanoseconds: int) -> None:
    """Let each of the next writes take so much processor time, and those behind them the last."""
    times = itertools.chain(nanoseconds, itertools.repeat(nanoseconds[-1]))
    clock = itertools.accumulate(itertools.chain.from_iterable((0, taken) for taken in times))
    monkeypatch.setattr(time, "thread_time_ns", lambda: next(clock))


async def open_(driver: FilesystemDriver, opening: str) -> FileWriter:
    if opening == "writer":
        return await driver.open_writer("/a")
    return await driver.open_appender("/a", create=True)


def write_blocks(file: Path, count: int, size: int) -> None:
    with file.open("wb") as opened:
        write_back = WriteBack(0)
        for number in range(count):
            write_back.write(opened.fileno(), bytes(size))
            write_back.advance(opened.fileno(), (number + 1) * size)
    assert file.stat().st_size == count * size


def test_where_memory_is_costly_what_is_on_the_disk_makes_room_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dropped: list[tuple[int, int, int]]
) -> None:
    cost(monkeypatch, 4 * MIB)
    write_blocks(tmp_path / "file", 16, 2 * MIB)
    # The latest 8 MiB have not had the time to get to the disk.
    until = [8 * MIB, 16 * MIB]
    assert dropped == [(0, end, os.POSIX_FADV_DONTNEED) for end in until]


def test_where_memory_is_cheap_all_of_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dropped: list[tuple[int, int, int]]
) -> None:
    cost(monkeypatch, MIB // 2)
    write_blocks(tmp_path / "file", 16, 2 * MIB)
    assert dropped == []


def test_memory_that_has_been_costly_stays_so_for_the_rest_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dropped: list[tuple[int, int, int]]
) -> None:
    # What takes the place of what has left costs little.
    cost(monkeypatch, *[0] * 6, 4 * MIB, 0)
    write_blocks(tmp_path / "file", 16, 2 * MIB)
    assert [end for _, end, _ in dropped] == [8 * MIB, 16 * MIB]


def test_little_content_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dropped: list[tuple[int, int, int]]
) -> None:
    cost(monkeypatch, 4 * MIB)
    write_blocks(tmp_path / "file", 400, 64 * 1024)
    assert dropped == []


@pytest.mark.parametrize("opening", ["writer", "appender"])
async def test_what_has_left_memory_or_was_never_there_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opening: str
) -> None:
    cost(monkeypatch, 4 * MIB)
    driver = FilesystemDriver(tmp_path)
    content = random.Random(1).randbytes(39 * MIB + 777)
    block = memoryview(mmap.mmap(-1, 2 * MIB))
    async with await open_(driver, opening) as writer:
        for start in range(0, len(content), 2 * MIB):
            chunk = content[start : start + 2 * MIB]
            block[: len(chunk)] = chunk
            await writer.write(block[: len(chunk)])
            assert writer.size == start + len(chunk)
        await writer.commit()
    assert (tmp_path / "a").read_bytes() == content
    await driver.aclose()


@pytest.mark.parametrize("opening", ["writer", "appender"])
async def test_all_of_a_file_makes_room_once_it_is_synced(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dropped: list[tuple[int, int, int]],
    opening: str,
) -> None:
    cost(monkeypatch, 4 * MIB)
    driver = FilesystemDriver(tmp_path)
    async with await open_(driver, opening) as writer:
        await writer.write(bytes(3 * MIB))
        assert dropped == []
        await writer.commit()
    assert dropped == [(0, 3 * MIB, os.POSIX_FADV_DONTNEED)]
    await driver.aclose()
