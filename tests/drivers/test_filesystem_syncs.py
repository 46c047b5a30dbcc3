"""Syncs of several files at once, and what becomes of them where the system takes none."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.drivers.filesystem import syncs as filesystem_syncs
from core.drivers.filesystem.syncs import BatchSyncs
from tests.drivers.child import ROOT

__all__: list[str] = []

_CODE = """
import os, sys
from core.drivers.filesystem.syncs import BatchSyncs

files = [os.open(f"{sys.argv[1]}/{number}", os.O_CREAT | os.O_RDWR) for number in range(5)]
syncs = BatchSyncs()
for _ in range(2):
    print([fault and fault.errno for fault in syncs.sync(files)])
"""


@pytest.fixture
def files(tmp_path: Path) -> Iterator[list[int]]:
    opened = [os.open(tmp_path / str(number), os.O_CREAT | os.O_RDWR) for number in range(4)]
    yield opened
    for descriptor in opened:
        os.close(descriptor)


@pytest.fixture
def syncs() -> Iterator[BatchSyncs]:
    syncs = BatchSyncs()
    yield syncs
    syncs.close()


def trace(tmp_path: Path, inject: str = "") -> tuple[list[str], str]:
    """Sync five files twice; return the calls of the system, and what was printed."""
    log = tmp_path / "log"
    command = ["strace", "-f", "-qq", "-o", str(log)]
    command += ["-e", "trace=fsync,io_setup,io_submit,io_getevents"]
    if inject:
        command += ["-e", f"inject={inject}"]
    done = subprocess.run(
        [*command, sys.executable, "-c", _CODE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE), done.stdout


@pytest.mark.needs("strace")
def test_files_are_synced_together_with_two_calls(tmp_path: Path) -> None:
    calls, printed = trace(tmp_path)
    assert calls == ["io_setup", *["io_submit", "io_getevents"] * 2]
    assert printed == f"{[None] * 5}\n" * 2


@pytest.mark.needs("strace")
@pytest.mark.parametrize("error", ["ENOSYS", "EAGAIN"])
def test_where_the_system_gives_no_queue_files_are_synced_one_by_one(
    tmp_path: Path, error: str
) -> None:
    calls, printed = trace(tmp_path, f"io_setup:error={error}")
    assert calls.count("fsync") == 10
    assert printed == f"{[None] * 5}\n" * 2


@pytest.mark.needs("strace")
def test_what_the_system_does_not_take_is_synced_one_by_one(tmp_path: Path) -> None:
    calls, printed = trace(tmp_path, "io_submit:error=EINVAL")
    assert calls == ["io_setup", "io_submit", *["fsync"] * 10]
    assert printed == f"{[None] * 5}\n" * 2


@pytest.mark.needs("strace")
def test_a_call_that_a_signal_interrupts_is_made_again(tmp_path: Path) -> None:
    calls, printed = trace(tmp_path, "io_getevents:error=EINTR:when=1")
    assert calls[:4] == ["io_setup", "io_submit", "io_getevents", "io_getevents"]
    assert printed == f"{[None] * 5}\n" * 2


def test_each_file_has_its_own_fault(syncs: BatchSyncs, files: list[int]) -> None:
    pipe, other = os.pipe()
    for taken in ([files[0], pipe, files[1]], [files[0], files[1], pipe]):
        faults = [fault and fault.errno for fault in syncs.sync(taken)]
        assert faults == [errno.EINVAL if file == pipe else None for file in taken]
    os.close(pipe)
    os.close(other)
    assert [fault and fault.errno for fault in syncs.sync([files[0], pipe])] == [None, errno.EBADF]


def test_a_fault_that_comes_late_is_told_of_its_file(
    syncs: BatchSyncs, files: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs.sync(files)
    results = {0: 0, 1: -errno.EIO, 2: 0, 3: -errno.ENOSPC}
    monkeypatch.setattr(filesystem_syncs._Context, "_collect", lambda *_: results)
    faults = [fault and fault.errno for fault in syncs.sync(files)]
    assert faults == [None, errno.EIO, None, errno.ENOSPC]


def test_more_are_synced_than_the_system_takes_at_once(syncs: BatchSyncs, files: list[int]) -> None:
    assert syncs.sync(files * 50) == [None] * 200
    assert syncs.sync([]) == []


def test_threads_sync_at_once(syncs: BatchSyncs, files: list[int]) -> None:
    with ThreadPoolExecutor(8) as threads:
        for faults in threads.map(lambda _: syncs.sync(files), range(100)):
            assert faults == [None] * 4


def test_it_can_be_used_after_it_was_closed(syncs: BatchSyncs, files: list[int]) -> None:
    for _ in range(2):
        assert syncs.sync(files) == [None] * 4
        syncs.close()


def test_an_unknown_machine_syncs_one_by_one(
    syncs: BatchSyncs, files: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(filesystem_syncs, "_find_calls", lambda: None)
    monkeypatch.setattr(os, "fsync", synced.append)
    assert syncs.sync(files) == [None] * 4
    assert synced == files
