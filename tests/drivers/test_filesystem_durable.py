"""What is known of files that this process has synced."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.drivers.filesystem.durable import DurableFiles

__all__: list[str] = []


def append(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"more")


def replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    other.replace(file)


def test_a_file_is_known_in_the_state_it_was_remembered_in(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"content")
    files = DurableFiles()
    assert not files.knows(str(file), file.stat())
    files.remember(str(file), file.stat())
    assert files.knows(str(file), file.stat())
    assert not files.knows(str(tmp_path / "other"), file.stat())
    files.forget(str(file))
    files.forget(str(file))
    assert not files.knows(str(file), file.stat())


@pytest.mark.parametrize("change", [append, replace])
def test_a_file_that_was_changed_is_not_known(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"content")
    files = DurableFiles()
    files.remember(str(file), file.stat())
    change(file)
    assert not files.knows(str(file), file.stat())


def test_only_so_many_files_are_remembered(tmp_path: Path) -> None:
    files = DurableFiles()
    found = os.stat(tmp_path)  # noqa: PTH116 - of anything
    for number in range(10_000):
        files.remember(str(number), found)
    assert len(files._states) < 5000
    assert files.knows("9999", found)
