"""The registry as users run it: `moorage serve` in a process of its own."""

import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.service.running import Service, clean_environment, free_port, serving

__all__ = ["Service", "running_registry", "running_registry_over_tls", "wait_for_claim"]


@contextmanager
def running_registry(
    tmp_path: Path, *, root: Path | None = None, name: str = "registry", **variables: str
) -> Iterator[Service]:
    """Run the registry on a free port of 127.0.0.1 until the block ends.

    Args:
        tmp_path: for the log, and for the store unless `root` is given.
        root: of the store; may be shared by several.
        name: of this one among several that log into the same folder.
        variables: settings, such as `MOORAGE_SERVER__WORKERS="2"`.
    """
    with _running(tmp_path, root, name, None, variables) as service:
        yield service


@contextmanager
def running_registry_over_tls(
    tmp_path: Path, tls: ssl.SSLContext, **variables: str
) -> Iterator[Service]:
    """Do the same where `variables` have it speak TLS, which it is asked by."""
    with _running(tmp_path, None, "registry", tls, variables) as service:
        yield service


@contextmanager
def _running(
    tmp_path: Path,
    root: Path | None,
    name: str,
    tls: ssl.SSLContext | None,
    variables: Mapping[str, str],
) -> Iterator[Service]:
    port = free_port()
    log_file = tmp_path / f"{name}.log"
    command = [sys.executable, "-m", "api", "serve", "--port", str(port)]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--root", str(root or tmp_path / "data")],
            cwd=tmp_path,
            env=clean_environment(**variables),
            stderr=log,
            stdout=log,
        )
    service = Service(port=port, process=process, log_file=log_file, tls=tls)
    with serving(service, "/v2/"):
        yield service


def wait_for_claim(root: Path, location: str) -> None:
    """Wait until a request that is under way has claimed the upload at `location`.

    The system's list of locks tells it: a second request would claim the upload itself if it
    came first.
    """
    upload = (
        location.partition("?")[0].removeprefix("/v2/").replace("/blobs/uploads/", "/_uploads/")
    )
    data = root / "docker/registry/v2/repositories" / upload / "data"
    lock = f":{data.stat().st_ino} "
    deadline = time.monotonic() + 5
    while lock not in Path("/proc/locks").read_text(encoding="ascii"):
        assert time.monotonic() < deadline
        time.sleep(0.005)
