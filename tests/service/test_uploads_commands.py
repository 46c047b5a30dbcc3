"""`moorage uploads`, run as a process: in a pipe, on a terminal, and for programs."""

import fcntl
import json
import os
import pty
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.service.running import clean_environment

__all__: list[str] = []

OLD = "2020-01-02T03:04:05Z"
REPOSITORIES = "docker/registry/v2/repositories"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def plant(root: Path, name: str, *, size: int = 5, upload_id: str = "") -> Path:
    """Plant an upload that was begun long ago, and return its directory."""
    directory = root / REPOSITORIES / name / "_uploads" / (upload_id or str(uuid.uuid4()))
    directory.mkdir(parents=True)
    (directory / "startedat").write_text(OLD)
    (directory / "data").write_bytes(bytes(size))
    return directory


def run(
    root: Path, command: str, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", "uploads", command, "--root", str(root), *arguments],
        cwd=root.parent,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def run_on_terminal(root: Path, command: str, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal, and return its exit code and all that was written there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "api", "uploads", command, "--root", str(root), *arguments],
        cwd=root.parent,
        env=clean_environment(TERM="xterm", COLUMNS="80"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:
        # That is how a terminal ends whose last process has gone.
        pass
    finally:
        os.close(ours)
    return process.wait(20), written.decode()


def test_uploads_are_listed_in_a_pipe_as_lines_of_fields(root: Path) -> None:
    first = plant(root, "a/b", size=5)
    second = plant(root, "team/app", size=70_000)
    leaked = root / REPOSITORIES / "a/b/_uploads/leaked/hashstates/sha256/0"
    leaked.parent.mkdir(parents=True)
    leaked.write_bytes(b"state")
    ran = run(root, "list")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = sorted(line.split("\t") for line in ran.stdout.splitlines())
    assert lines[2] == ["team/app", second.name, OLD, "70000", "open"]
    assert ["a/b", first.name, OLD, "5", "open"] in lines
    (broken,) = [line for line in lines if line[1] == "leaked"]
    assert (broken[0], broken[3:]) == ("a/b", ["0", "broken"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", broken[2])


def test_uploads_are_listed_for_programs(root: Path) -> None:
    directory = plant(root, "a/b")
    ran = run(root, "list", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == {
        "uploads": [
            {
                "repository": "a/b",
                "id": directory.name,
                "path": f"/{directory.relative_to(root)}",
                "started_at": OLD,
                "size": 5,
                "state": "open",
            }
        ],
        "failures": [],
    }


def test_uploads_are_listed_on_a_terminal_with_a_head_and_no_name_cut(root: Path) -> None:
    name = "a-name/that-is/longer-than/the-line-of/a-terminal-of/eighty-columns/could-take"
    directory = plant(root, name, size=70_000)
    exit_code, written = run_on_terminal(root, "list")
    assert exit_code == 0
    assert "Repository" in written
    assert "Started" in written
    assert f"{name}  {directory.name}  {OLD}  70.0 kB  open" in written
    assert "looking for uploads" in written
    assert written.splitlines()[-1].endswith("1 upload, 70.0 kB")


def test_only_old_uploads_of_the_repository_that_is_named_are_listed(root: Path) -> None:
    plant(root, "a", upload_id="old")
    young = plant(root, "a", upload_id="young")
    (young / "startedat").unlink()
    plant(root, "b", upload_id="other")
    ran = run(root, "list", "--older-than", "7d", "--repository", "a")
    assert [line.split("\t")[1] for line in ran.stdout.splitlines()] == ["old"]


def test_an_empty_store_has_nothing_to_list_or_purge(root: Path) -> None:
    assert run(root, "list").stdout == ""
    ran = run(root, "purge", "--older-than", "0s")
    assert ran.returncode == 0
    assert ran.stdout == "removed 0 uploads, 0 bytes; 0 being written, 0 failed\n"


def test_a_purge_deletes_old_uploads_with_a_line_for_each(root: Path) -> None:
    old = plant(root, "a/b")
    young = plant(root, "a/b")
    (young / "startedat").unlink()
    ran = run(root, "purge", "--older-than", "168h")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        f"removed\ta/b\t{old.name}\t{OLD}\t5\topen",
        "removed 1 upload, 5 bytes; 0 being written, 0 failed",
    ]
    assert not old.exists()
    assert young.exists()


def test_a_purge_of_one_repository_leaves_the_others(root: Path) -> None:
    mine, other = plant(root, "a"), plant(root, "a/b")
    assert run(root, "purge", "--older-than", "1h", "--repository", "a").returncode == 0
    assert (mine.exists(), other.exists()) == (False, True)


def test_a_dry_run_deletes_nothing(root: Path) -> None:
    old = plant(root, "a")
    ran = run(root, "purge", "--older-than", "7d", "--dry-run")
    assert ran.stdout.splitlines() == [
        f"would be removed\ta\t{old.name}\t{OLD}\t5\topen",
        "would remove 1 upload, 5 bytes; 0 being written, 0 failed",
    ]
    shown = json.loads(run(root, "purge", "--older-than", "7d", "--dry-run", "--json").stdout)
    assert (shown["dry_run"], shown["removed"], shown["freed_bytes"]) == (True, 1, 5)
    assert old.exists()


def test_an_upload_that_is_being_written_is_left_and_told_of(root: Path) -> None:
    busy, idle = plant(root, "a", upload_id="busy"), plant(root, "a", upload_id="idle")
    with (busy / "data").open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ran = run(root, "purge", "--older-than", "7d", "--json")
    shown = json.loads(ran.stdout)
    assert ran.returncode == 0
    assert (shown["removed"], shown["busy"], shown["failures"]) == (1, 1, [])
    outcomes = {upload["id"]: upload["outcome"] for upload in shown["uploads"]}
    assert outcomes == {"busy": "busy", "idle": "removed"}
    assert (busy.exists(), idle.exists()) == (True, False)


def test_a_terminal_shows_how_far_a_purge_is(root: Path) -> None:
    for number in range(3):
        plant(root, f"a-{number}")
    exit_code, written = run_on_terminal(root, "purge", "--older-than", "7d")
    assert exit_code == 0
    assert "looking for uploads" in written
    assert "purging uploads" in written
    assert "3/3" in written
    assert "\t" not in written
    assert "removed 3 uploads, 15 bytes; 0 being written, 0 failed" in written


def test_a_terminal_shows_what_a_dry_run_would_delete(root: Path) -> None:
    old = plant(root, "a")
    exit_code, written = run_on_terminal(root, "purge", "--older-than", "7d", "--dry-run")
    assert exit_code == 0
    assert old.name in written
    assert "would remove 1 upload" in written


def test_what_cannot_be_deleted_is_told_and_the_rest_is_deleted(root: Path) -> None:
    """Where a path ends in itself, not even the superuser gets on."""
    good, bad = plant(root, "good"), plant(root, "bad")
    (bad / "startedat").unlink()
    (bad / "startedat").symlink_to("startedat")
    ran = run(root, "purge", "--older-than", "7d")
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line == f"moorage: filesystem: ELOOP: /{bad.relative_to(root)}/startedat"
    assert ran.stdout.splitlines()[-1].endswith("0 being written, 1 failed")
    assert (good.exists(), bad.exists()) == (False, True)
    shown = json.loads(run(root, "list", "--json").stdout)
    assert [failure["path"] for failure in shown["failures"]] == [
        f"/{bad.relative_to(root)}/startedat"
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["purge"], "Missing option '--older-than'"),
        (["purge", "--older-than", "soon"], "'soon' is not a duration"),
        (["list", "--older-than", "7"], "'7' is not a duration"),
        (["list", "--repository", "Upper"], "a repository name matches"),
        (["list", "--what"], "No such option"),
        (["list", "--root", "missing"], "storage.filesystem.root: missing is not a directory"),
        (["list", "--config", "missing"], "--config: missing is not a file"),
    ],
)
def test_wrong_use_ends_with_exit_code_2_and_says_why(
    root: Path, arguments: list[str], said: str
) -> None:
    ran = run(root, *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in " ".join(re.sub(r"[│╭╰─╮╯]", " ", ran.stderr).split())


@pytest.mark.parametrize(
    ("driver", "said"),
    [("memory", "a store in memory"), ("tape", "no storage driver named 'tape'")],
)
def test_a_store_that_cannot_be_opened_is_wrong_use(root: Path, driver: str, said: str) -> None:
    ran = run(root, "list", MOORAGE_STORAGE__DRIVER=driver)
    assert ran.returncode == 2
    assert said in ran.stderr


def test_the_store_is_the_one_that_the_settings_name(root: Path) -> None:
    plant(root, "a")
    config = root.parent / "m.toml"
    config.write_text(f'[storage.filesystem]\nroot = "{root}"\n')
    ran = subprocess.run(
        [sys.executable, "-m", "api", "uploads", "list", "--config", str(config)],
        cwd=root.parent,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.startswith("a\t")
