"""The servers under test, each in processes of its own over a store of its own."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ProcessTree
from bench.stores import Store

__all__ = [
    "INCUMBENT",
    "MOORAGE",
    "MOORAGE_CODE",
    "Server",
    "StartFailed",
    "running_incumbent",
    "running_moorage",
]

INCUMBENT = "docker-registry"
MOORAGE = "moorage"
MOORAGE_CODE = Path(__file__).resolve().parents[1]
_START_SECONDS = 30
_STOP_SECONDS = 30
_IDLE_SECONDS = 0.4
# Only what the benchmark says shall count.
_NOT_INHERITED = ("MOORAGE_", "REGISTRY_", "AWS_")


class StartFailed(Exception):
    """A server did not start; the text ends with its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server.

    Attributes:
        name: for the report.
        port: of the loopback address.
        tree: its processes.
        store: where it keeps what it is given.
    """

    name: str
    port: int
    tree: ProcessTree
    store: Store


@contextmanager
def running_moorage(
    folder: Path,
    store: Store,
    *,
    redirect: bool = False,
    code: Path = MOORAGE_CODE,
    name: str = MOORAGE,
    more: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run the registry of the checkout `code`, a worker for each core, until the block ends.

    Args:
        folder: for its log.
        store: its store.
        redirect: whether it leads clients to the store for blobs.
        code: the checkout.
        name: for the report.
        more: variables with further settings.
    """
    port = _free_port()
    command = [sys.executable, "-m", "api", "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(os.cpu_count() or 1)]
    settings = {**store.moorage_settings(redirect=redirect), **(more or {})}
    settings["PYTHONPATH"] = str(code)
    with _running(folder / name, name, command, port, store, settings) as server:
        yield server


@contextmanager
def running_incumbent(folder: Path, store: Store, *, redirect: bool = False) -> Iterator[Server]:
    """Run Debian's docker-registry, which uses every core, until the block ends."""
    port = _free_port()
    config = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {
            "cache": {"blobdescriptor": "inmemory"},
            "delete": {"enabled": True},
            **store.incumbent_settings(redirect=redirect),
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of no worth"},
    }
    own = folder / INCUMBENT
    own.mkdir(exist_ok=True)
    # JSON is YAML.
    (own / "config.yml").write_text(json.dumps(config))
    command = [INCUMBENT, "serve", str(own / "config.yml")]
    with _running(own, INCUMBENT, command, port, store, {}) as server:
        yield server


@contextmanager
def _running(
    own: Path,
    name: str,
    command: Sequence[str],
    port: int,
    store: Store,
    settings: Mapping[str, str],
) -> Iterator[Server]:
    own.mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
    variables = {**kept, **settings}
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
                if connection.recv(12).endswith((b"200", b"401")):
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
