"""The servers under test, each in processes of its own over a store of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ProcessTree

__all__ = [
    "INCUMBENT",
    "MOORAGE_CODE",
    "Server",
    "StartFailed",
    "running_incumbent",
    "running_moorage",
]

INCUMBENT = "docker-registry"
MOORAGE_CODE = Path(__file__).resolve().parents[1]
_START_SECONDS = 30
_STOP_SECONDS = 30
_IDLE_SECONDS = 0.4


class StartFailed(Exception):
    """A server did not start; the text ends with its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server.

    Attributes:
        name: for the report.
        port: of the loopback address.
        tree: its processes.
        store: the root directory of what it stores.
    """

    name: str
    port: int
    tree: ProcessTree
    store: Path

    def forget(self, digest: str) -> None:
        """Free the disk of a blob that nobody asks for any more, behind the server's back."""
        algorithm, _, encoded = digest.partition(":")
        blobs = self.store / "docker" / "registry" / "v2" / "blobs"
        shutil.rmtree(blobs / algorithm / encoded[:2] / encoded)


@contextmanager
def running_moorage(
    folder: Path, *, code: Path = MOORAGE_CODE, name: str = "moorage"
) -> Iterator[Server]:
    """Run the registry of the checkout `code`, a worker for each core, until the block ends."""
    port, store = _free_port(), folder / name / "store"
    command = [sys.executable, "-m", "api", "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--root", str(store), "--workers", str(os.cpu_count() or 1)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MOORAGE_")}
    variables = {**kept, "PYTHONPATH": str(code)}
    with _running(folder / name, name, command, port, store, variables) as server:
        yield server


@contextmanager
def running_incumbent(folder: Path) -> Iterator[Server]:
    """Run Debian's docker-registry, which uses every core, until the block ends."""
    port, store = _free_port(), folder / INCUMBENT / "store"
    config = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {
            "cache": {"blobdescriptor": "inmemory"},
            "delete": {"enabled": True},
            "filesystem": {"rootdirectory": str(store)},
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of no worth"},
    }
    own = folder / INCUMBENT
    own.mkdir()
    # JSON is YAML.
    (own / "config.yml").write_text(json.dumps(config))
    command = [INCUMBENT, "serve", str(own / "config.yml")]
    with _running(own, INCUMBENT, command, port, store, os.environ) as server:
        yield server


@contextmanager
def _running(
    own: Path,
    name: str,
    command: Sequence[str],
    port: int,
    store: Path,
    variables: Mapping[str, str],
) -> Iterator[Server]:
    own.mkdir(exist_ok=True)
    log_file = own / "server.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, cwd=own, env=variables, stdout=log, stderr=log)
    try:
        _wait_until_it_answers(process, port, log_file)
        tree = ProcessTree(process.pid)
        _wait_until_idle(tree)
        yield Server(name=name, port=port, tree=tree, store=store)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
                if connection.recv(12).endswith(b"200"):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise StartFailed(f"a server did not start, says {log_file}:\n{log_file.read_text()}")


def _wait_until_idle(tree: ProcessTree) -> None:
    """Let every worker finish its start: the first one to be ready answers alone."""
    deadline = time.monotonic() + _START_SECONDS
    before = tree.cpu_seconds()
    while time.monotonic() < deadline:
        time.sleep(_IDLE_SECONDS)
        now = tree.cpu_seconds()
        if now == before:
            return
        before = now


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
