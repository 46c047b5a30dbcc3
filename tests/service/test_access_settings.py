"""What settings of access keep a service from starting, in one line each."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.running import clean_environment, free_port

__all__: list[str] = []


def serve(folder: Path, *flags: str, settings: str = "") -> tuple[int, str]:
    """Run `moorage serve`, which is to end at once, and return its exit code and what it said."""
    file = folder / "moorage.toml"
    file.write_text(settings, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "api", "serve", "--port", str(free_port()), *flags],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=18,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_a_registry_that_is_open_is_not_opened_to_a_network_by_accident(
    tmp_path: Path, host: str
) -> None:
    code, said = serve(tmp_path, "--host", host)
    assert code == 1
    assert f"listening on {host} would let everybody who reaches it push and delete" in said
    assert "--allow-open" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (
            '[access]\ncontroller = "htpasswd"\n',
            "access.htpasswd.file: not set; name the file that `moorage users add` writes",
        ),
        (
            '[access]\ncontroller = "htpasswd"\nhtpasswd.file = "nowhere"\n',
            "access.htpasswd.file: nowhere cannot be read: No such file or directory",
        ),
        ('[access]\ncontroller = "guards"\n', "expected one of none, htpasswd, moorage, token"),
        ('[access]\ncontroller = "token"\n', "access.token: "),
        (
            '[access]\ncontroller = "moorage"\nstate_directory = "/proc/keys"\n',
            "cannot keep keys and robots in /proc/keys: ",
        ),
    ],
)
def test_a_controller_that_cannot_be_had_is_told_in_one_line(
    tmp_path: Path, settings: str, fault: str
) -> None:
    code, said = serve(tmp_path, settings=settings)
    assert code == 3
    assert f"cannot start: {fault}" in said or fault in said
    assert "Traceback" not in said


def test_rules_without_a_controller_are_warned_of(tmp_path: Path) -> None:
    """They look as if they closed the registry, and nobody asks them."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = serve(tmp_path, "--port", port, settings='[policy]\ngroups = { a = ["b"] }\n')
    assert code == 1
    assert "policy is set, and nobody is asked who they are" in said
