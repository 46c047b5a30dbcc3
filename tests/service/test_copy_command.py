"""`moorage copy`, run as a process."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from api.commands.copy_progress import ProgressLines, describe, human_bytes
from api.settings import SettingsError, load_storage_settings
from core.digest import Digest
from core.drivers import create_driver
from core.storage import Registry, RepositoryName, paths
from core.storage.copying import CopyTally
from tests.service.running import clean_environment
from tests.storage.pushing import all_files, image, push_image

__all__: list[str] = []

ARGUMENTS = [sys.executable, "-m", "api", "copy", "source.toml", "destination.toml"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two settings files, and a store for the first."""
    for name in ("source", "destination"):
        text = f'[server]\nport = 1\n[storage.filesystem]\nroot = "{name}"\n'
        (tmp_path / f"{name}.toml").write_text(text)
    anyio.run(_fill, tmp_path / "source")
    return tmp_path


async def _fill(root: Path) -> None:
    driver = create_driver("filesystem", {"root": root, "durability": "relaxed"})
    for name in ("a", "b"):
        repository = Registry(driver).repository(RepositoryName(name))
        layer = name.encode() * 100_000
        await push_image(repository, image(layer), layer, tags=["v1"])


def _files(root: Path) -> dict[str, bytes]:
    async def read() -> dict[str, bytes]:
        return await all_files(create_driver("filesystem", {"root": root}))

    return anyio.run(read)


def _run(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ARGUMENTS, *options],
        cwd=folder,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_store_is_copied_and_the_result_is_one_object(folder: Path) -> None:
    ran = _run(folder, "--json", MOORAGE_STORAGE__FILESYSTEM__ROOT="elsewhere")
    assert (ran.returncode, _files(folder / "destination")) == (0, _files(folder / "source"))
    result = json.loads(ran.stdout)
    assert (result["complete"], result["copied_blobs"], result["faults"]) == (True, 5, [])
    again = json.loads(_run(folder, "--json").stdout)
    assert (again["copied_blobs"], again["present_blobs"]) == (0, 5)
    # Through a pipe, progress is plain lines.
    assert re.search(r"^0 B/.* objects .*/s ", ran.stderr)
    assert "\x1b" not in ran.stderr
    assert not (folder / "elsewhere").exists()


def test_what_could_not_be_copied_is_named_line_by_line(folder: Path) -> None:
    digest = Digest.of(b"a" * 100_000)
    (folder / f"source{paths.blob_data(digest)}").write_bytes(b"b" * 100_000)
    ran = _run(folder)
    assert ran.returncode == 1
    named = [line for line in ran.stderr.splitlines() if line.startswith("moorage: ")]
    assert named[0].startswith(f"moorage: {digest}: damaged in the source: its content is sha256:")
    assert named[1].startswith(f"moorage: {paths.layer_link(RepositoryName('a'), digest)}: ")
    assert len(named) == 2
    assert "could not be copied: 2" in ran.stdout


def test_a_dry_run_of_one_repository_writes_nothing(folder: Path) -> None:
    ran = _run(folder, "--dry-run", "--repository", "a")
    assert ran.returncode == 0
    assert ran.stdout.startswith("would copy: 3 blobs ")
    assert not (folder / "destination").exists()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[storage.filesystem]\nroot = "source"\n', "name the same store"),
        ("[server]\nport = 1\n", "destination.toml: has no table [storage]"),
        ('[storage]\ndriver = "tape"\n', "destination.toml: no storage driver named 'tape'"),
        ("storage = 1\n", "destination.toml: storage: expected a table"),
        ("[storage.filesystem]\nroof = 1\n", "storage.filesystem.roof: unknown key"),
        ("no toml", "destination.toml: not a TOML file"),
    ],
)
def test_wrong_settings_end_with_2_and_one_line(folder: Path, text: str, fault: str) -> None:
    (folder / "destination.toml").write_text(text)
    ran = _run(folder)
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert line.startswith("moorage: ")
    assert fault in line


def test_a_wrong_name_ends_with_2_and_an_empty_source_with_1(folder: Path) -> None:
    assert _run(folder, "--repository", "Upper").returncode == 2
    (folder / "source.toml").write_text('[storage.filesystem]\nroot = "nowhere"\n')
    ran = _run(folder)
    assert ran.returncode == 1
    assert "moorage: the source holds no registry" in ran.stderr


def test_the_environment_does_not_reach_the_settings_of_a_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORAGE_STORAGE__FILESYSTEM__ROOT", "elsewhere")
    settings = load_storage_settings(folder / "source.toml")
    assert settings.filesystem.root == Path("source")
    with pytest.raises(SettingsError, match="is not a file"):
        load_storage_settings(folder / "missing.toml")


def test_a_terminal_shows_a_bar(folder: Path) -> None:
    controlling, terminal = pty.openpty()
    with subprocess.Popen(
        ARGUMENTS,
        cwd=folder,
        env=clean_environment(TERM="xterm", COLUMNS="100"),
        stderr=terminal,
        stdout=subprocess.PIPE,
    ) as process:
        os.close(terminal)
        shown = b""
        # The system says so with an error when the other end is closed.
        with suppress(OSError):
            while piece := os.read(controlling, 4096):
                shown += piece
        os.close(controlling)
    assert process.returncode == 0
    assert b"\x1b[" in shown
    assert b"100%" in shown
    assert re.search(rb"196\.1 KiB/196\.1 KiB \d+/\d+ objects .*/s repository 2/2", shown)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_copy_in_order_and_the_next_goes_on(
    folder: Path, number: signal.Signals
) -> None:
    # A blob that blocks whoever reads it, as a store does that has stopped to answer.
    blob = folder / f"source{paths.blob_data(Digest.of(b'stalled'))}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(bytes(400 * 1024 * 1024))
    with subprocess.Popen(
        [*ARGUMENTS, "--json"],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 15
        while not [*folder.glob("destination/**/data.*.tmp")] and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        output, _ = process.communicate(timeout=15)
    assert process.returncode == 128 + number
    assert json.loads(output)["interrupted"] is True
    assert not [*folder.glob("destination/**/*.tmp")]
    blob.unlink()
    assert _run(folder).returncode == 0
    assert _files(folder / "destination") == _files(folder / "source")


async def test_lines_tell_bytes_objects_rate_and_what_is_left() -> None:
    tally = CopyTally(total_bytes=3 * 1024**3, total_objects=10)
    assert describe(tally, 0) == "0 B/3.0 GiB+ 0/10+ objects 0 B/s listing"
    tally.blobs_are_listed = True
    lines: list[str] = []
    with anyio.move_on_after(2):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ProgressLines(tally, lines.append, every_seconds=0.05).show)
            while len(lines) < 4:
                tally.done_bytes += 1024**2
                tally.moved_bytes += 1024**2
                await anyio.sleep(0.02)
            tasks.cancel_scope.cancel()
    assert lines[0].startswith("0 B/3.0 GiB ") or lines[0].startswith("1.0 MiB/3.0 GiB ")
    assert re.search(r" 0/10\+ objects \d+\.\d MiB/s 0:\d\d:\d\d left$", lines[-1])
    done = CopyTally(blobs_are_listed=True, total_repositories=4, done_repositories=1)
    assert describe(done, 0).endswith("repository 1/4")


def test_sizes_are_short() -> None:
    sizes = [0, 1023, 1024, 1000 * 1024, 5 * 1024**3, 2048 * 1024**4]
    assert [human_bytes(size) for size in sizes] == [
        "0 B", "1023 B", "1.0 KiB", "1.0 MiB", "5.0 GiB", "2048.0 TiB",
    ]  # fmt: skip


def test_keys_and_robots_go_along_if_that_is_asked_for(folder: Path) -> None:
    added = [sys.executable, "-m", "api", "robots", "add", "deploy", "--repository", "**"]
    subprocess.run(
        [*added, "--action", "pull", "--config", "source.toml"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        check=True,
    )
    kept = folder / "destination" / paths.ACCESS.removeprefix("/")
    assert _run(folder).returncode == 0
    assert not kept.exists()
    dry = _run(folder, "--with-keys", "--dry-run")
    assert "keys, secrets and robots, would change: 1 files" in dry.stdout
    assert not kept.exists()
    assert json.loads(_run(folder, "--with-keys", "--json").stdout)["key_files"] == 1
    assert _files(folder / "destination") == _files(folder / "source")
    # Nobody else may read what is kept there.
    assert kept.stat().st_mode & 0o777 == 0o700
