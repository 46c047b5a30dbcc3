"""`moorage robots` and `moorage tokens`, run as processes beside a running registry."""

import json
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from core.access.opening import open_access_state
from core.access.robots.robots import Robots
from core.access.state import AccessState
from core.access.tokens.server import create_signing_keys
from core.drivers import FilesystemDriver, MemoryDriver
from tests.service.running import clean_environment

__all__: list[str] = []


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", *arguments, "--root", str(root)],
        cwd=root,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def add(root: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    return run(root, "robots", "add", name, "--repository", "team/*", "--action", "pull", *more)


async def test_a_robot_is_added_with_the_secret_alone_on_standard_output(tmp_path: Path) -> None:
    ran = add(tmp_path, "ci", "--repository", "base/app", "--action", "push")
    assert ran.returncode == 0, ran.stderr
    assert "robot+ci" in ran.stderr
    driver = FilesystemDriver(tmp_path)
    found = await Robots(AccessState(driver)).look("ci")
    assert found is not None
    robot, _ = found
    assert robot.has_secret(ran.stdout.removesuffix("\n"))
    assert [str(grant.repositories) for grant in robot.grants] == ["team/*", "base/app"]
    assert all(grant.actions == {"pull", "push"} for grant in robot.grants)
    assert robot.expires_at is not None
    assert timedelta(days=89) < robot.expires_at - datetime.now(UTC) <= timedelta(days=90)
    await driver.aclose()


def test_robots_are_listed_rotated_and_revoked(tmp_path: Path) -> None:
    add(tmp_path, "b", "--expires", "never", "--description", "line\nand\ttab")
    add(tmp_path, "a", "--expires", "1s")
    lines = [line.split("\t") for line in run(tmp_path, "robots", "list").stdout.splitlines()]
    assert [line[0] for line in lines] == ["a", "b"]
    assert lines[1][1] == "team/*:pull"
    assert lines[1][3:] == ["never", "never", "line and tab"]
    listed = json.loads(run(tmp_path, "robots", "list", "--json").stdout)
    assert [entry["user"] for entry in listed] == ["robot+a", "robot+b"]
    assert listed[1]["description"] == "line\nand\ttab"
    rotated = json.loads(run(tmp_path, "robots", "rotate", "b", "--json").stdout)
    assert rotated["user"] == "robot+b"
    assert rotated["password"].startswith("moorage_robot_")
    assert run(tmp_path, "robots", "revoke", "b").returncode == 0
    assert run(tmp_path, "robots", "list").stdout.splitlines()[0].split("\t")[3] == "expired"
    assert len(json.loads(run(tmp_path, "robots", "list", "--json").stdout)) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("robots", "revoke", "ci"), 1, "there is no robot ci"),
        (("robots", "rotate", "../ci"), 1, "there is no robot ../ci"),
        (("robots", "add", "CI", "--repository", "x", "--action", "pull"), 1, "lower case"),
        (("robots", "add", "ci", "--repository", "x", "--action", "fly"), 1, "an action is one"),
        (("robots", "add", "ci", "--repository", "x**", "--action", "pull"), 2, "component"),
        (("robots", "add", "ci", "--repository", "x"), 2, "--action"),
        (
            ("robots", "add", "ci", "--repository", "x", "--action", "pull", "--expires", "0d"),
            2,
            "'--expires': '0d' is not above zero",
        ),
        (
            ("robots", "add", "ci", "--repository", "x", "--action", "pull", "--expires", "soon"),
            2,
            "'--expires': 'soon' is not a duration",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ran = run(tmp_path, *arguments)
    assert ran.returncode == code
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_a_robot_that_is_there_is_not_added_again(tmp_path: Path) -> None:
    first, second = add(tmp_path, "ci"), add(tmp_path, "ci")
    assert (first.returncode, second.returncode) == (0, 1)
    assert second.stderr == "moorage: there is a robot ci already\n"


async def test_the_certificate_vouches_for_keys_that_come_later(tmp_path: Path) -> None:
    printed = run(tmp_path, "tokens", "certificate").stdout
    assert run(tmp_path, "tokens", "rotate").stdout.startswith("made key ")
    assert run(tmp_path, "tokens", "rotate").returncode == 0
    assert run(tmp_path, "tokens", "certificate").stdout == printed
    driver = FilesystemDriver(tmp_path)
    keys = create_signing_keys(AccessState(driver), key_rotation_days=30, access_token_seconds=300)
    found = await keys.list_keys()
    assert len(found) == 2
    authority = x509.load_pem_x509_certificate(printed.encode())
    for key in found:
        der = f"-----BEGIN CERTIFICATE-----\n{key.x5c[0]}\n-----END CERTIFICATE-----\n"
        x509.load_pem_x509_certificate(der.encode()).verify_directly_issued_by(authority)
    await driver.aclose()


async def test_a_directory_of_keys_is_for_its_owner_alone(tmp_path: Path) -> None:
    run(tmp_path, "tokens", "certificate")
    in_store = tmp_path / "docker/registry/v2/_moorage/access"
    own = tmp_path / "own" / "state"
    own.mkdir(parents=True, mode=0o755)
    async with open_access_state(MemoryDriver(), directory=own) as state:
        secret = await state.secret()
    async with open_access_state(MemoryDriver(), directory=own) as state:
        assert await state.secret() == secret
    for directory in (in_store, own):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert (own / "secret").is_file()


async def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file"):
        async with open_access_state(MemoryDriver(), directory=tmp_path / "file" / "state"):
            pass
