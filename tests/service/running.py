"""A service in processes of its own, and raw sockets to talk to it."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.service.log_secrets import check_log

__all__ = [
    "REPOSITORY",
    "Service",
    "clean_environment",
    "free_port",
    "read_answer",
    "running_service",
    "running_service_over_tls",
    "serving",
]

REPOSITORY = Path(__file__).resolve().parents[2]
_START_SECONDS = 45
_STOP_SECONDS = 20


def clean_environment(**variables: str) -> dict[str, str]:
    """Give this process's environment without settings of ours, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    return {**kept, "PYTHONPATH": str(REPOSITORY), **variables}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service."""

    port: int
    process: subprocess.Popen[bytes]
    log_file: Path
    tls: ssl.SSLContext | None = None

    @property
    def host(self) -> str:
        """Its address and port, as image names begin with it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where its paths begin."""
        return f"{'http' if self.tls is None else 'https'}://{self.host}"

    def connect(self, *, timeout: float = 15) -> socket.socket:
        """Open a connection to it."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        if self.tls is None:
            return connection
        return self.tls.wrap_socket(connection, server_hostname="127.0.0.1")

    def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send `request` on a connection of its own and read one answer."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_answer(connection)

    def log_lines(self) -> list[dict[str, Any]]:
        """Read everything logged so far; a line that is not JSON is an error."""
        # The last one may be on its way.
        lines = self.log_file.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def wait_for_log(self, event: str, **fields: object) -> dict[str, Any]:
        """Wait until a line of `event` with `fields` is logged, and give it."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for line in self.log_lines():
                if line["event"] == event and fields.items() <= line.items():
                    return line
            time.sleep(0.02)
        raise AssertionError(f"never logged {event} {fields}: {self.log_file.read_text()}")

    def stop(self) -> int:
        """Ask it to stop, and wait for its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_SECONDS)


@contextmanager
def running_service(
    tmp_path: Path, *, factory: str = "create_app", root: str = "data", **variables: str
) -> Iterator[Service]:
    """Run a service on a free port, `root` as its flag and `variables` in its environment."""
    with _running(tmp_path, factory, root, None, variables) as service:
        yield service


@contextmanager
def running_service_over_tls(
    tmp_path: Path, tls: ssl.SSLContext, **variables: str
) -> Iterator[Service]:
    """Do the same where `variables` have it speak TLS, which it is asked by."""
    with _running(tmp_path, "create_app", "data", tls, variables) as service:
        yield service


@contextmanager
def _running(
    tmp_path: Path,
    factory: str,
    root: str,
    tls: ssl.SSLContext | None,
    variables: Mapping[str, str],
) -> Iterator[Service]:
    port = free_port()
    log_file = tmp_path / "service.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.service.launch", f"tests.service.apps:{factory}", root],
            cwd=REPOSITORY,
            env=clean_environment(MOORAGE_SERVER__PORT=str(port), **variables),
            stderr=log,
            stdout=log,
        )
    service = Service(port=port, process=process, log_file=log_file, tls=tls)
    with serving(service, "/ready"):
        yield service


@contextmanager
def serving(service: Service, path: str) -> Iterator[Service]:
    """Wait until a service that was just started answers for `path`; stop it at the end."""
    process = service.process
    try:
        _wait_until_it_answers(service, path)
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        check_log(service.log_file)


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one answer: its status, its headers by lower-case name, and its body."""
    stream = connection.makefile("rb")
    status_line = stream.readline()
    if not status_line:
        raise ConnectionError("closed without an answer")
    headers: dict[str, str] = {}
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return int(status_line.split()[1]), headers, body


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(service: Service, path: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and service.process.poll() is None:
        try:
            service.ask(f"GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode())
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the service did not start: {service.log_file.read_text()}")
