"""What a push costs a worker: syncs of the disk, and calls that go to a thread.

Each sync is a wait for the disk, and each change of threads costs more than what small calls do
there. Both are counted with strace, so that a change that needs more of them does not go unseen.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from core.manifest import OCI_MANIFEST
from tests.api.wire import add_query
from tests.live import Service, running_registry

__all__: list[str] = []

pytestmark = pytest.mark.needs("strace")

_CALL = re.compile(r"(fsync|fdatasync|write|io_submit)\((\d+<[^>]*(?:>\))?)?")

REPOSITORY = "/v2/c/r"


class Client:
    """One connection, as a client keeps it open."""

    def __init__(self, service: Service) -> None:
        self._connection = HTTPConnection("127.0.0.1", service.port, timeout=15)

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, target: str, body: bytes = b"", media_type: str = "") -> str:
        self._connection.request(method, target, body, {"Content-Type": media_type})
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status < 300 or (method, answer.status) == ("HEAD", 404), answer.status
        return answer.headers.get("Location", "")

    def begin(self) -> str:
        return self.ask("POST", f"{REPOSITORY}/blobs/uploads/")

    def push_blob(self) -> None:
        content, digest = blob()
        self.ask("PUT", add_query(self.begin(), digest=digest), content)

    def push_blob_in_one(self) -> None:
        content, digest = blob()
        self.ask("POST", f"{REPOSITORY}/blobs/uploads/?digest={digest}", content)

    def push_layer(self) -> str:
        """Push a blob as docker does, and return its digest."""
        content, digest = blob()
        self.ask("HEAD", f"{REPOSITORY}/blobs/{digest}")
        location = self.ask("PATCH", self.begin(), content)
        self.ask("PUT", add_query(location, digest=digest))
        return digest

    def push_image(self, tag: str = "") -> None:
        parts = [
            {"mediaType": "application/octet-stream", "digest": self.push_layer(), "size": 4096}
            for _ in range(3)
        ]
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": parts[0],
            "layers": parts[1:],
        }
        payload, _ = prefixed(lambda salt: json.dumps({**document, "annotations": {"a": salt}}))
        target = f"{REPOSITORY}/manifests/{tag or os.urandom(8).hex()}"
        self.ask("PUT", target, payload, OCI_MANIFEST)


def prefixed(make: Callable[[str], str]) -> tuple[bytes, str]:
    """Return content whose directory is among others that are there already, and its digest."""
    while True:
        content = make(os.urandom(8).hex()).encode()
        encoded = hashlib.sha256(content).hexdigest()
        if encoded.startswith("00"):
            return content, f"sha256:{encoded}"


def blob() -> tuple[bytes, str]:
    """Return 4 KiB that nobody has pushed yet, and their digest."""
    return prefixed(lambda salt: salt * 256)


@contextmanager
def counting(service: Service, log: Path) -> Iterator[Counter[str]]:
    """Count what the service does until the block ends.

    That is `syncs`, `waits` for those that are done at the same time, `trips` to a thread, and
    files and directories that were `made`.
    """
    counts: Counter[str] = Counter()
    pid = service.process.pid
    command = [
        "strace",
        "-f",
        "-qq",
        "-y",
        "-e",
        "trace=fsync,fdatasync,io_submit,write,openat,mkdir",
        "-o",
        str(log),
    ]
    with subprocess.Popen([*command, "-p", str(pid)]) as tracer:
        try:
            wait_for_tracer(pid)
            yield counts
        finally:
            tracer.send_signal(signal.SIGINT)
    for line in log.read_text().splitlines():
        call = _CALL.search(line)
        if call is None:
            counts["made"] += "O_CREAT" in line or "mkdir(" in line
            continue
        if call[1] != "write":
            counts["syncs"] += line.count("IOCB_CMD_FSYNC") or 1
            counts["waits"] += 1
        elif "eventfd" in call[2]:
            # So a thread tells the event loop that it is done.
            counts["trips"] += 1


def wait_for_tracer(pid: int) -> None:
    """Wait until all threads of a process are traced."""
    deadline = time.monotonic() + 10
    while any(
        "TracerPid:\t0\n" in (task / "status").read_text()
        for task in Path(f"/proc/{pid}/task").iterdir()
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running_registry(tmp_path, MOORAGE_SERVER__WORKERS="1") as service:
        # The first of everything makes directories that later ones find.
        with closing(Client(service)) as client:
            client.push_image("latest")
        yield service


@pytest.mark.parametrize(
    ("push", "syncs", "waits", "trips", "made"),
    [
        pytest.param(Client.push_blob, 8, 4, 2, 5, id="blob by POST and PUT"),
        pytest.param(Client.push_blob_in_one, 6, 2, 1, 4, id="blob by POST"),
        pytest.param(Client.push_layer, 8, 5, 3, 5, id="blob by POST, PATCH and PUT"),
        pytest.param(Client.push_image, 38, 18, 10, 26, id="image by a new tag"),
        pytest.param(
            lambda client: client.push_image("latest"),
            35,
            18,
            10,
            22,
            id="image by a tag that is there",
        ),
    ],
)
def test_a_push_costs_so_many_syncs_waits_for_them_and_trips_to_a_thread(
    service: Service,
    tmp_path: Path,
    push: Callable[[Client], object],
    syncs: int,
    waits: int,
    trips: int,
    made: int,
) -> None:
    with closing(Client(service)) as client:
        # A connection that is new to the worker costs more than one that it knows.
        client.push_blob()
        with counting(service, tmp_path / "trace") as counts:
            for _ in range(3):
                push(client)
    assert counts["syncs"] <= 3 * syncs
    assert counts["waits"] <= 3 * waits
    assert counts["trips"] <= 3 * trips
    assert counts["made"] <= 3 * made
    # Else nothing was counted.
    assert counts["syncs"] > 3
    assert counts["trips"] > 0


def test_uploads_of_one_second_share_the_file_that_says_so(
    service: Service, tmp_path: Path
) -> None:
    with closing(Client(service)) as client:
        client.begin()
        with counting(service, tmp_path / "trace") as counts:
            for _ in range(10):
                client.begin()
    # The directory of each and the one that they are in, and what is new when a second begins.
    assert 20 <= counts["syncs"] <= 23
    # The directory of each and its data.
    assert 20 <= counts["made"] <= 22


def test_a_large_push_goes_to_a_thread_once_for_each_block(
    service: Service, tmp_path: Path
) -> None:
    blocks = 12
    content = os.urandom(1024) * 2048 * blocks
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with closing(Client(service)) as client:
        with counting(service, tmp_path / "trace") as counts:
            client.ask("PUT", add_query(client.begin(), digest=digest), content)
        location = client.begin()
        with counting(service, tmp_path / "trace") as patching:
            location = client.ask("PATCH", location, content)
            client.ask("PUT", add_query(location, digest=digest))
    # A few are for the end, and the first bytes come with the header and not in a block.
    assert blocks <= counts["trips"] <= blocks + 4
    assert blocks <= patching["trips"] <= blocks + 5
    assert counts["syncs"] <= 9
    # The state of the hash is kept between requests, which is a file more.
    assert patching["syncs"] <= 12
