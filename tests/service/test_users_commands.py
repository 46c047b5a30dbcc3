"""`moorage users` and `moorage policy`, run as processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.running import clean_environment

__all__: list[str] = []


def run(folder: Path, *arguments: str, entered: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", *arguments],
        cwd=folder,
        env=clean_environment(),
        input=entered,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.timeout(240)  # Fourteen processes, one after the other.
def test_users_are_added_listed_verified_and_removed(tmp_path: Path) -> None:
    (tmp_path / "moorage.toml").write_text('[access]\nhtpasswd.file = "users"\n')
    for name in ("bob", "ann"):
        added = run(tmp_path, "users", "add", name, "--password-stdin", entered=f"pw-{name}\n")
        assert (added.returncode, added.stdout) == (0, ""), added.stderr
        assert f"added {name}" in added.stderr
    assert run(tmp_path, "users", "list").stdout == "ann\nbob\n"
    assert "pw-ann" not in (tmp_path / "users").read_text()

    def verify(name: str, password: str) -> int:
        entered = f"{password}\n"
        return run(
            tmp_path, "users", "verify", name, "--password-stdin", entered=entered
        ).returncode

    assert [verify("ann", "pw-ann"), verify("ann", "pw-bob"), verify("cleo", "x")] == [0, 1, 1]
    changed = run(tmp_path, "users", "add", "ann", "--password-stdin", entered="new\n")
    assert "new password for ann" in changed.stderr
    assert [verify("ann", "pw-ann"), verify("ann", "new")] == [1, 0]
    assert run(tmp_path, "users", "remove", "ann").returncode == 0
    again = run(tmp_path, "users", "remove", "ann")
    assert (again.returncode, again.stderr) == (1, "moorage: users: no user ann\n")
    assert run(tmp_path, "users", "list").stdout == "bob\n"


@pytest.mark.parametrize(
    ("arguments", "entered", "said"),
    [
        (["add", "ann"], "", "access.htpasswd.file is not set: name the file with --file"),
        (["add", "a:b", "--file", "users"], "x\n", "a name has no colon"),
        (["add", "ann", "--file", "users"], "\n", "1 to 72 bytes"),
        (["add", "ann", "--file", "no/users"], "x\n", "No such file or directory"),
        (["list", "--file", "users"], "", "No such file or directory"),
        (["verify", "ann", "--file", "users"], "x\n", "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    tmp_path: Path, arguments: list[str], entered: str, said: str
) -> None:
    stdin = ["--password-stdin"] if arguments[0] in {"add", "verify"} else []
    ended = run(tmp_path, "users", *arguments, *stdin, entered=entered)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_password_that_is_no_text_is_told_in_a_line_without_it(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "api", "users", "add", "ann", "--password-stdin", "--file", "users"],
        cwd=tmp_path,
        env=clean_environment(PYTHONIOENCODING="utf-8:strict"),
        input=b"caf\xe9\n",
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == b"moorage: the password is not in UTF-8\n"
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_text_is_told_in_a_line(tmp_path: Path) -> None:
    ended = run(
        tmp_path, "users", "add", "caf\udce9", "--password-stdin", "--file", "users", entered="x\n"
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("moorage: a name has no colon, ")
    assert ended.stderr.endswith(", and is in UTF-8\n")


_RULES = """
[[policy.rules]]
subjects = ["group:dev"]
repositories = ["team/*"]
actions = ["pull"]

[[policy.rules]]
subjects = ["claim:ref=refs/heads/*", "robot:ci"]
repositories = ["**"]
actions = ["push"]
"""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ann", "pull", "team/app"], 1, "denied: no rule speaks of it"),
        (["ann", "pull", "team/app", "--group", "dev"], 0, "moorage.toml:2 says allow"),
        (["robot:ci", "tag", "a/b"], 0, "moorage.toml:7 says allow"),
        (["workload:x", "push", "a", "--claim", "ref=refs/heads/main"], 0, "moorage.toml:7"),
        (["robot:cd", "pull", "team/app"], 0, "allowed: no rule speaks of it, so that what it"),
        (["workload:x", "push", "team/app"], 0, "allowed: no rule speaks of it, so that what it"),
        (["anonymous", "pull", "team/app"], 1, "denied"),
        (["ann", "fly", "team/app"], 2, "an action is one of pull, push, delete, tag, list"),
        (["ann", "pull", "Team/App"], 2, "a repository name matches"),
        (["ann", "pull", "team/app", "--claim", "ref"], 2, "a claim is NAME=VALUE, not 'ref'"),
    ],
)
def test_the_rule_that_decides_is_named_by_its_line(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "moorage.toml").write_text(_RULES)
    ended = run(tmp_path, "policy", "explain", *arguments)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stdout + ended.stderr


def test_rules_that_nobody_asks_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "moorage.toml").write_text(_RULES)
    ended = run(tmp_path, "policy", "explain", "ann", "push", "team/app")
    assert ended.returncode == 1
    assert "access.controller is none: no rule is in force" in ended.stderr
