"""How much the registry holds of what goes through it to an object store."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live import Service, running_registry
from tests.servers.seaweedfs import S3Server
from tests.stores.environment import s3_environment

__all__: list[str] = []

MIB = 1024 * 1024
# Many times what a push may hold, so that a larger one would hold no more.
SIZE = 64 * MIB


def pieces(number: int) -> Iterator[bytes]:
    yield number.to_bytes(8, "big") + bytes(MIB - 8)
    for _ in range(SIZE // MIB - 1):
        yield bytes(MIB)


def push(service: Service, number: int, *, patch: bool) -> int:
    """Push a blob of its own in one piece or in a chunk, and return the last status."""
    hasher = hashlib.sha256()
    for piece in pieces(number):
        hasher.update(piece)
    headers = {"Content-Length": str(SIZE)}
    with httpx.Client(base_url=service.url, timeout=100) as client:
        location = client.post("/v2/m/r/blobs/uploads/").headers["Location"]
        if patch:
            added = client.patch(location, content=pieces(number), headers=headers)
            location = added.headers["Location"]
        end = f"{location}&digest=sha256:{hasher.hexdigest()}"
        if patch:
            return client.put(end).status_code
        return client.put(end, content=pieces(number), headers=headers).status_code


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("patch", [False, True], ids=["POST PUT", "POST PATCH PUT"])
def test_four_large_pushes_at_once_fit_into_250_mib(
    seaweedfs: S3Server, tmp_path: Path, *, patch: bool
) -> None:
    environment = s3_environment(seaweedfs, root_prefix=f"memory-{patch}", redirect="false")
    statuses: list[int] = []
    with running_registry(tmp_path, root=None, **environment) as service:

        def run(number: int) -> None:
            statuses.append(push(service, number, patch=patch))

        threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        status = Path(f"/proc/{service.process.pid}/status").read_text()
    assert statuses == [201] * 4
    assert int(status.split("VmHWM:")[1].split()[0]) / 1024 < 250, status
