"""When the disk is told to begin with a large file, and what that leaves to the sync."""

import re
from pathlib import Path

import pytest

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
