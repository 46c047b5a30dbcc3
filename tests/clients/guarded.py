"""A registry that asks who its clients are, set up as people set it up: by a file and commands."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live import running_registry
from tests.service.log_secrets import used_secret
from tests.service.running import REPOSITORY, Service, clean_environment

__all__ = ["Guarded", "running_guarded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """The registry, and the file that sets it up."""

    service: Service
    settings: Path

    @property
    def host(self) -> str:
        """Its address and port, as image names begin with it."""
        return self.service.host

    def moorage(self, *arguments: str, entered: str = "") -> str:
        """Run a command beside the service and return what it printed."""
        return run_moorage(self.settings, *arguments, entered=entered)

    def audit(self, action: str) -> list[dict[str, Any]]:
        """Return the lines of the audit log about one kind of action."""
        lines = self.service.log_lines()
        return [line for line in lines if line["event"] == "audit" and line["action"] == action]


@contextmanager
def running_guarded(folder: Path, settings: str, *users: str) -> Iterator[Guarded]:
    """Run a registry with these settings, in which each user's password is `pw-` and the name.

    The settings may say `{folder}` for a folder of their own.
    """
    file = folder / "moorage.toml"
    file.write_text(settings.replace("{folder}", str(folder)), encoding="utf-8")
    (folder / "users").touch()
    for user in users:
        password = used_secret(f"pw-{user}")
        run_moorage(file, "users", "add", user, "--password-stdin", entered=f"{password}\n")
    with running_registry(folder, MOORAGE_CONFIG=str(file)) as service:
        yield Guarded(service=service, settings=file)


def run_moorage(settings: Path, *arguments: str, entered: str = "") -> str:
    """Run a command of `moorage` and return what it printed; it has to succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "api", *arguments],
        cwd=settings.parent,
        env=clean_environment(MOORAGE_CONFIG=str(settings), PYTHONPATH=str(REPOSITORY)),
        input=entered,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
