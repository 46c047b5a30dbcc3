"""Layers that were pushed by tarsum, in a store that the incumbent shares."""

import hashlib
from pathlib import Path

import httpx
import pytest

from core.digest import Digest, get_algorithm
from tests.clients.incumbent import collect_garbage, running_incumbent
from tests.clients.pushing import connected, push_image
from tests.digest.tarsum.archives import END, entry
from tests.live import running_registry

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("docker-registry"),
]

ARCHIVE = entry(b"a.txt", b"hello\n") + END
TARSUM = Digest.of(ARCHIVE, get_algorithm("tarsum.v1+sha256"))
BY_TARSUM = f"/v2/team/image/blobs/{TARSUM}"
BY_BYTES = f"/v2/team/image/blobs/sha256:{hashlib.sha256(ARCHIVE).hexdigest()}"


def push_by_tarsum(registry: httpx.Client) -> None:
    pushed = registry.post(
        "/v2/team/image/blobs/uploads/", params={"digest": str(TARSUM)}, content=ARCHIVE
    )
    assert (pushed.status_code, pushed.headers["Location"]) == (201, BY_BYTES)


def test_the_incumbent_serves_it_by_its_bytes_and_collects_it_with_its_image(
    tmp_path: Path,
) -> None:
    root = tmp_path / "store"
    with running_registry(tmp_path, root=root) as service, connected(service.url) as ours:
        push_by_tarsum(ours)
        image = push_image(ours, "team/image", tag="v1", layer=ARCHIVE)
        with running_incumbent(tmp_path, root) as other, connected(other.url) as theirs:
            assert theirs.get(BY_BYTES).content == ARCHIVE
            assert theirs.get("/v2/team/image/tags/list").json()["tags"] == ["v1"]
        collect_garbage(tmp_path, root)
        assert ours.get(BY_TARSUM).content == ARCHIVE
        assert ours.delete(f"/v2/team/image/manifests/{image['digest']}").status_code == 202
        collect_garbage(tmp_path, root)
        # Its link is there, as all links are after a collection, and its content is gone.
        assert ours.get(BY_TARSUM).status_code == 404
        push_by_tarsum(ours)
        assert ours.get(BY_TARSUM).content == ARCHIVE
