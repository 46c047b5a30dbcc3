"""The `moorage` command, run as a process."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.running import clean_environment

__all__: list[str] = []


def _run(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", *arguments],
        cwd=tmp_path,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_config_prints_each_setting_with_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "moorage.toml").write_text('[log]\nlevel = "debug"\n')
    ran = _run(tmp_path, "config", "--port", "7000", MOORAGE_SERVER__HOST="::1")
    lines = [[part.strip() for part in line.split("  # ")] for line in ran.stdout.splitlines()]
    assert ran.returncode == 0
    assert ["server.port = 7000", "--port"] in lines
    assert ['server.host = "::1"', "MOORAGE_SERVER__HOST"] in lines
    assert ['log.level = "debug"', "moorage.toml"] in lines
    assert ["delete.enabled = true", "default"] in lines


def test_config_as_json_masks_secrets(tmp_path: Path) -> None:
    ran = _run(tmp_path, "config", "--json", MOORAGE_STORAGE__TAPE__PASSWORD="hunter2")
    shown = json.loads(ran.stdout)
    assert shown["server.workers"] == {"value": 1, "origin": "default"}
    assert shown["storage.tape.password"]["value"] == "********"
    assert "hunter2" not in ran.stdout


def test_the_version_is_printed(tmp_path: Path) -> None:
    ran = _run(tmp_path, "--version")
    assert ran.returncode == 0
    assert ran.stdout.startswith("moorage ")


@pytest.mark.parametrize("command", ["serve", "config"])
def test_bad_settings_end_with_one_line_for_each(tmp_path: Path, command: str) -> None:
    ran = _run(tmp_path, command, MOORAGE_SERVER__PORT="x", MOORAGE_LOG__LEVEL="loud")
    assert ran.returncode == 2
    port, level = ran.stderr.splitlines()
    assert port.startswith("moorage: MOORAGE_SERVER__PORT: server.port: expected")
    assert level.startswith("moorage: MOORAGE_LOG__LEVEL: log.level: expected")


def test_a_flag_out_of_range_is_named_by_the_flag(tmp_path: Path) -> None:
    ran = _run(tmp_path, "serve", "--workers", "0")
    assert ran.returncode == 2
    assert ran.stderr.startswith("moorage: --workers: server.workers: expected")


def test_a_taken_port_ends_the_start_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = _run(tmp_path, "serve", "--port", str(port))
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        f"moorage: cannot listen on 127.0.0.1:{port}: Address already in use"
    ]


def test_a_root_that_is_a_file_ends_the_start_with_one_line(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("")
    ran = _run(tmp_path, "serve", "--port", "0", "--root", str(root))
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        f"moorage: storage.filesystem.root: cannot write to {root}: File exists"
    ]


def test_a_root_that_cannot_be_made_ends_the_start_with_one_line(tmp_path: Path) -> None:
    """Not even the superuser makes a directory in /proc."""
    ran = _run(tmp_path, "serve", "--port", "0", "--root", "/proc/moorage")
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line.startswith("moorage: storage.filesystem.root: cannot write to /proc/moorage: ")


@pytest.mark.parametrize("command", [("uploads", "list"), ("robots", "list")])
def test_a_root_that_cannot_be_looked_at_ends_a_command_with_one_line(
    tmp_path: Path, command: tuple[str, str]
) -> None:
    """As root finds no directory closed, the name is what the system does not take."""
    ran = _run(tmp_path, *command, "--root", "x" * 300)
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert line.startswith("moorage: storage.filesystem.root: xxx")


def test_config_does_not_pad_every_line_to_the_longest(tmp_path: Path) -> None:
    lines = _run(tmp_path, "config").stdout.splitlines()
    (port,) = [line for line in lines if line.startswith("server.port ")]
    assert len(port) <= 80


def test_a_store_in_memory_is_refused_for_several_workers(tmp_path: Path) -> None:
    """Each worker would have a store of its own, and lose the pushes of the others."""
    ran = _run(tmp_path, "serve", "--workers", "2", MOORAGE_STORAGE__DRIVER="memory")
    assert ran.returncode != 0
    (line,) = ran.stderr.splitlines()
    assert "cannot be shared by several workers" in line
