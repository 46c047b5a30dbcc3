"""Files of the host that the service follows."""

import os
from pathlib import Path

import anyio
import pytest
from anyio import create_task_group, move_on_after

from api.watch import FileWatch

__all__: list[str] = []


def test_a_change_of_content_time_or_file_is_told_once(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_text("one")
    other.write_text("kept")
    told: list[str] = []
    watch = FileWatch()
    watch.add(file, lambda: told.append("first"))
    watch.add(file, lambda: told.append("second"))
    watch.add(other, lambda: told.append("other"))
    watch.look()
    # It may have changed since it was read.
    assert told == ["first", "second", "other"]
    told.clear()
    watch.look()
    assert told == []
    file.write_text("more")
    watch.look()
    watch.look()
    assert told == ["first", "second"]
    renewed = tmp_path / "renewed"
    renewed.write_text("more")
    os.utime(renewed, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    renewed.replace(file)
    watch.look()
    assert told == ["first", "second"] * 2


def test_a_file_that_is_being_written_is_left_until_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    told: list[str] = []
    watch = FileWatch()
    watch.add(file, lambda: told.append(file.read_text()))
    watch.look()
    file.write_text("")
    # While the look waits to see whether it stays empty.
    monkeypatch.setattr("api.watch.time.sleep", lambda _: file.write_text("new"))
    watch.look()
    assert told == ["old"]
    monkeypatch.undo()
    watch.look()
    assert told == ["old", "new"]


def test_a_file_that_is_away_for_a_while_is_told_when_it_is_another_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    told: list[str] = []
    watch = FileWatch()
    watch.add(file, lambda: told.append("changed"))
    watch.look()
    file.write_text("new")
    watch.look()
    assert told == ["changed"]
    file.unlink()
    watch.look()
    assert told == ["changed"]


def test_the_target_of_a_symbolic_link_counts(tmp_path: Path) -> None:
    # As Kubernetes puts new secrets into the place of old ones.
    for version in ("old", "new"):
        (tmp_path / version).write_text("same")
    link = tmp_path / "link"
    link.symlink_to("old")
    told: list[str] = []
    watch = FileWatch()
    watch.add(link, lambda: told.append("changed"))
    watch.look()
    told.clear()
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").replace(link)
    watch.look()
    assert told == ["changed"]


def test_what_goes_wrong_with_one_change_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    told: list[str] = []

    def fail() -> None:
        raise RuntimeError

    watch = FileWatch()
    watch.add(file, fail)
    watch.add(file, lambda: told.append("changed"))
    file.write_text("new")
    watch.look()
    assert told == ["changed"]


async def test_it_looks_by_itself_until_it_is_cancelled(tmp_path: Path) -> None:
    file = tmp_path / "file"
    told = anyio.Event()
    watch = FileWatch(interval_seconds=0.01)
    loop_told = told.set
    watch.add(file, lambda: anyio.from_thread.run_sync(loop_told))
    async with create_task_group() as tasks:
        tasks.start_soon(watch.run)
        await anyio.Path(file).write_text("new")
        with move_on_after(5) as late:
            await told.wait()
        tasks.cancel_scope.cancel()
    assert not late.cancelled_caught
