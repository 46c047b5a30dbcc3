"""Memory, open files, reads for nobody, a full disk, and a file that shrinks."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.api.content import Repository, digest_of
from tests.api.stored import read_store
from tests.api.wire import Wire, add_query
from tests.live import Service, running_registry

__all__: list[str] = []

MIB = 1024 * 1024


def open_files(service: Service, root: Path) -> list[str]:
    """Give the files of the store that the registry holds open."""
    folder = Path(f"/proc/{service.process.pid}/fd")
    links = []
    for descriptor in folder.iterdir():
        try:
            links.append(str(descriptor.readlink()))
        except FileNotFoundError:
            continue
    return [link for link in links if link.startswith(str(root))]


def read_bytes(service: Service) -> int:
    """Give how many bytes the registry has read from files and connections."""
    text = Path(f"/proc/{service.process.pid}/io").read_text()
    return int(text.split("rchar:")[1].split()[0])


def count_patches(service: Service) -> int:
    """Give how many requests with PATCH have ended."""
    return sum(line.get("method") == "PATCH" for line in service.log_lines())


def peak_mib(service: Service) -> float:
    """Give the largest resident size that the registry has had."""
    text = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) / 1024


def push_large(service: Service, name: str, size: int) -> str:
    """Push a blob of zeros in pieces, and give its path."""
    piece = bytes(MIB)
    hasher = hashlib.sha256()
    for _ in range(size // MIB):
        hasher.update(piece)
    digest = f"sha256:{hasher.hexdigest()}"
    repository = Repository(Wire(service), name)
    target = add_query(repository.start(), digest=digest)
    answer = repository.wire.ask("PUT", target, (piece for _ in range(size // MIB)))
    assert answer.status == 201
    return f"{repository.url}/blobs/{digest}"


def begin_pull(service: Service, target: str) -> socket.socket:
    """Ask for a blob on a connection with a small buffer, and read its first bytes."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.settimeout(15)
    connection.connect(("127.0.0.1", service.port))
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
    assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    return connection


def test_a_pull_that_broke_off_reads_no_more_and_leaves_no_file_open(tmp_path: Path) -> None:
    with running_registry(tmp_path) as service:
        target = push_large(service, "large", 128 * MIB)
        root = tmp_path / "data"
        assert open_files(service, root) == []
        before = read_bytes(service)
        connections = [begin_pull(service, target) for _ in range(5)]
        assert len(open_files(service, root)) == 5
        for connection in connections:
            connection.close()
        deadline = time.monotonic() + 5
        while open_files(service, root) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert open_files(service, root) == []
        # Of 640 MiB, a few were on their way when the clients left.
        assert read_bytes(service) - before < 100 * MIB


def test_a_push_that_broke_off_leaves_no_file_open(tmp_path: Path) -> None:
    with running_registry(tmp_path) as service:
        location = Repository(Wire(service), "a/b").start()
        path = location.partition("?")[0]
        head = f"PATCH {path} HTTP/1.1\r\nHost: t\r\nContent-Length: 999\r\n\r\n"
        for broken in range(1, 6):
            with service.connect() as connection:
                connection.sendall(head.encode() + b"x")
            deadline = time.monotonic() + 5
            while count_patches(service) < broken and time.monotonic() < deadline:
                time.sleep(0.02)
            assert count_patches(service) == broken
        assert open_files(service, tmp_path / "data") == []


def test_a_blob_that_shrinks_while_it_is_pulled_cuts_the_connection(tmp_path: Path) -> None:
    with running_registry(tmp_path) as service:
        target = push_large(service, "shrinking", 64 * MIB)
        encoded = target.rpartition(":")[2]
        data = tmp_path / f"data/docker/registry/v2/blobs/sha256/{encoded[:2]}/{encoded}/data"
        with begin_pull(service, target) as connection:
            os.truncate(data, 32 * MIB)
            received = 1000
            while piece := connection.recv(MIB):
                received += len(piece)
        assert received < 64 * MIB
        line = service.wait_for_log("request", method="GET", path=target)
        assert line["cut"] is True
        assert open_files(service, tmp_path / "data") == []
        assert Wire(service).get("/v2/").status == 200


def pull(service: Service, target: str, sizes: list[int]) -> None:
    """Pull a blob in pieces and note its size."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
    connection.request("GET", target)
    with connection.getresponse() as response:
        size = 0
        while piece := response.read(MIB):
            size += len(piece)
    connection.close()
    sizes.append(size)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_many_large_transfers_at_once_fit_into_200_mib(tmp_path: Path) -> None:
    size = 256 * MIB
    with running_registry(tmp_path, MOORAGE_UPLOADS__BODY_TIMEOUT_SECONDS="60") as service:
        target = push_large(service, "pulled", size)
        pulled: list[int] = []
        pushed: list[str] = []
        threads = [
            threading.Thread(target=pull, args=(service, target, pulled)) for _ in range(4)
        ] + [
            threading.Thread(
                target=lambda number=number: pushed.append(
                    push_large(service, f"pushed/{number}", size)
                )
            )
            for number in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert pulled == [size] * 4
        assert len(pushed) == 4
        peak = peak_mib(service)
    shutil.rmtree(tmp_path / "data")
    assert peak < 200


def write_for_ever(path: Path) -> None:
    """Write until the disk is full, to the last page."""
    with path.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


_FULL_DISK = """
import sys
from pathlib import Path
from tests.endurance.test_resources import fill_the_disk
fill_the_disk(Path(sys.argv[1]))
"""


@pytest.mark.needs("root")
def test_a_full_disk_is_told_and_harms_nothing(tmp_path: Path) -> None:
    """The disk is one of memory, seen by nobody but the processes of this test."""
    (tmp_path / "disk").mkdir()
    unshare = shutil.which("unshare")
    assert unshare is not None
    ran = subprocess.run(
        [unshare, "--mount", sys.executable, "-c", _FULL_DISK, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def fill_the_disk(folder: Path) -> None:
    """Mount a small disk, push until it is full, make room, and push again."""
    disk = folder / "disk"
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "moorage-test", str(disk)]
    subprocess.run(mount, check=True)
    with running_registry(folder, root=disk) as service:
        repository = Repository(Wire(service), "a/b")
        payload = repository.push_image("tag")
        small = os.urandom(2 * MIB)
        small_digest = repository.push_blob(small)
        large = os.urandom(7 * MIB)
        before = read_store(disk)

        for method, target in (
            ("POST", add_query(f"{repository.url}/blobs/uploads/", digest=digest_of(large))),
            ("PATCH", repository.start()),
            ("PUT", add_query(repository.start(), digest=digest_of(large))),
        ):
            answer = repository.wire.ask(method, target, large)
            answer.assert_error(507, "UNAVAILABLE")
            assert repository.wire.head(f"{repository.url}/blobs/{digest_of(large)}").status == 404
            # Everything else is served as before.
            blob = repository.wire.get(f"{repository.url}/blobs/{small_digest}")
            assert blob.body == small
            assert repository.wire.get(f"{repository.url}/manifests/tag").body == payload
            if method != "POST":
                upload = target.partition("?")[0]
                assert repository.wire.delete(upload).status == 204
            assert read_store(disk).items() >= before.items()

        filler = disk / "filler"
        with pytest.raises(OSError, match="No space left"):
            write_for_ever(filler)
        answer = repository.wire.ask("POST", f"{repository.url}/blobs/uploads/")
        answer.assert_error(507, "UNAVAILABLE")
        answer = repository.put_manifest(payload + b" ", "other")
        answer.assert_error(507, "UNAVAILABLE")
        assert repository.wire.get(f"{repository.url}/manifests/tag").body == payload
        assert repository.wire.head(f"{repository.url}/manifests/other").status == 404

        filler.unlink()
        content = large[: 4 * MIB]
        repository.push_blob(content)
        blob = repository.wire.get(f"{repository.url}/blobs/{digest_of(content)}")
        assert blob.body == content
        repository.push_image("other")
        leftovers = [path for path in read_store(disk) if path.endswith(".tmp")]
        assert leftovers == []
