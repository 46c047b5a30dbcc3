"""The incumbent, docker distribution as Debian packages it, over a store that may be shared."""

import base64
import hashlib
import hmac
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic_core import to_json

from tests.live import Service
from tests.service.running import clean_environment, free_port, serving

__all__ = ["collect_garbage", "running_incumbent", "upload_state"]

_PROGRAM = "docker-registry"
_SECRET = "known to the tests"
_TIMEOUT_SECONDS = 60


@contextmanager
def running_incumbent(tmp_path: Path, root: Path) -> Iterator[Service]:
    """Run the incumbent over the store at `root` until the block ends.

    Args:
        tmp_path: for its settings and its log.
        root: of the store, as the registry's own setting names it.
    """
    port = free_port()
    settings = _write_settings(tmp_path, root, port)
    log_file = tmp_path / "incumbent.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [_PROGRAM, "serve", str(settings)],
            cwd=tmp_path,
            env=clean_environment(),
            stderr=log,
            stdout=log,
        )
    with serving(Service(port=port, process=process, log_file=log_file), "/v2/") as service:
        yield service


def collect_garbage(tmp_path: Path, root: Path, *flags: str) -> list[str]:
    """Run the incumbent's garbage collection over the store, and give the lines it prints."""
    done = subprocess.run(
        [_PROGRAM, "garbage-collect", *flags, str(_write_settings(tmp_path, root, 0))],
        capture_output=True,
        check=False,
        text=True,
        timeout=_TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def upload_state(name: str, upload_id: str, *, offset: int, started_at: str) -> str:
    """Give the token with which the incumbent lets a client go on with an upload.

    Args:
        name: of the repository.
        upload_id: of the upload, which any registry on the store may have begun.
        offset: how many bytes have come.
        started_at: what the store says of the upload.
    """
    message = to_json({"Name": name, "UUID": upload_id, "Offset": offset, "StartedAt": started_at})
    seal = hmac.digest(_SECRET.encode(), message, hashlib.sha256)
    return base64.urlsafe_b64encode(seal + message).decode("ascii")


def _write_settings(tmp_path: Path, root: Path, port: int) -> Path:
    settings = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {
            "filesystem": {"rootdirectory": str(root)},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": _SECRET},
    }
    # JSON is YAML too.
    file = tmp_path / f"incumbent-{port}.json"
    file.write_bytes(to_json(settings))
    return file
