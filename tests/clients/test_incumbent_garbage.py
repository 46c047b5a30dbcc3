"""The incumbent's garbage collection over a store that the registry wrote."""

from pathlib import Path

import httpx
import pytest

from tests.clients.images import OCI_INDEX
from tests.clients.incumbent import collect_garbage, running_incumbent
from tests.clients.pushing import connected, push_blob, push_image, push_manifest
from tests.live import running_registry

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("docker-registry"),
]

_NOTHING = "0 blobs and 0 manifests eligible for deletion"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_everything_that_a_manifest_names_is_marked(tmp_path: Path, root: Path) -> None:
    with running_registry(tmp_path, root=root) as service, connected(service.url) as ours:
        images = [push_image(ours, "team/image", tag=tag, layer=tag.encode()) for tag in ("a", "b")]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": images}
        subject = push_manifest(ours, "team/image", index, tag="multi")
        push_image(ours, "team/image", layer=b"about it", subject=subject)
        push_image(ours, "other", tag="v1", layer=b"another")
    lines = collect_garbage(tmp_path, root, "--dry-run")
    (summary,) = [line for line in lines if " blobs marked, " in line]
    assert summary == f"{len(_stored(root))} blobs marked, {_NOTHING}"


def test_only_what_no_manifest_names_is_removed(tmp_path: Path, root: Path) -> None:
    with running_registry(tmp_path, root=root) as service, connected(service.url) as ours:
        kept = push_image(ours, "team/image", tag="kept", layer=b"kept")
        needed = _stored(root)
        gone = push_image(ours, "team/image", tag="gone", layer=b"gone")
        push_blob(ours, "team/image", b"named by nobody")
        assert len(_stored(root) - needed) == 3
        deleted = ours.delete(f"/v2/team/image/manifests/{gone['digest']}")
        assert deleted.status_code == 202
        collect_garbage(tmp_path, root)
        assert _stored(root) == needed
        _assert_whole(ours, "team/image", kept, b"kept")
    with running_incumbent(tmp_path, root) as service, connected(service.url) as theirs:
        _assert_whole(theirs, "team/image", kept, b"kept")


def test_referrers_are_still_found_after_a_collection(tmp_path: Path, root: Path) -> None:
    with running_registry(tmp_path, root=root) as service, connected(service.url) as ours:
        subject = push_image(ours, "team/image", tag="v1", layer=b"an image")
        artifact = push_image(ours, "team/image", layer=b"about it", subject=subject)
        collect_garbage(tmp_path, root)
        listed = ours.get(f"/v2/team/image/referrers/{subject['digest']}").json()["manifests"]
        assert [item["digest"] for item in listed] == [artifact["digest"]]
        _assert_whole(ours, "team/image", artifact, b"about it")


def test_untagged_manifests_are_removed_where_that_is_asked_for(tmp_path: Path, root: Path) -> None:
    with running_registry(tmp_path, root=root) as service, connected(service.url) as ours:
        tagged = push_image(ours, "team/image", tag="v1", layer=b"tagged")
        needed = _stored(root)
        untagged = push_image(ours, "team/image", layer=b"untagged")
        collect_garbage(tmp_path, root, "--delete-untagged")
        assert _stored(root) == needed
        assert ours.get(f"/v2/team/image/manifests/{untagged['digest']}").status_code == 404
        _assert_whole(ours, "team/image", tagged, b"tagged")


def test_a_blob_that_was_collected_can_be_pushed_again(tmp_path: Path, root: Path) -> None:
    with running_registry(tmp_path, root=root) as service, connected(service.url) as ours:
        push_image(ours, "team/image", tag="v1", layer=b"kept")
        blob = push_blob(ours, "team/image", b"in vain")
        path = f"/v2/team/image/blobs/{blob['digest']}"
        assert ours.get(path).status_code == 200
        collect_garbage(tmp_path, root)
        assert ours.get(path).status_code == 404
        push_blob(ours, "team/image", b"in vain")
        assert ours.get(path).content == b"in vain"


def test_content_of_sha512_does_not_disturb_a_collection(tmp_path: Path, root: Path) -> None:
    with running_registry(tmp_path, root=root) as service, connected(service.url) as ours:
        kept = {
            b"plain": push_image(ours, "team/image", tag="v1", layer=b"plain"),
            b"tagged": push_image(
                ours, "team/image", tag="v2", layer=b"tagged", algorithm="sha512"
            ),
            b"bare": push_image(ours, "team/image", layer=b"bare", algorithm="sha512"),
        }
        assert kept[b"bare"]["digest"].startswith("sha512:")
        needed = _stored(root)
        for algorithm in ("sha256", "sha512"):
            push_blob(ours, "team/image", b"named by nobody", algorithm=algorithm)
        assert len(_stored(root) - needed) == 2
        collect_garbage(tmp_path, root)
        assert _stored(root) == needed
        for layer, image in kept.items():
            _assert_whole(ours, "team/image", image, layer)


def _stored(root: Path) -> set[str]:
    return {file.parent.name for file in (root / "docker/registry/v2/blobs").rglob("data")}


def _assert_whole(
    client: httpx.Client, repository: str, image: dict[str, str], layer: bytes
) -> None:
    answer = client.get(
        f"/v2/{repository}/manifests/{image['digest']}", headers={"Accept": image["mediaType"]}
    )
    assert answer.status_code == 200
    manifest = answer.json()
    (stored,) = manifest["layers"]
    assert client.get(f"/v2/{repository}/blobs/{stored['digest']}").content == layer
    config = client.get(f"/v2/{repository}/blobs/{manifest['config']['digest']}")
    assert config.status_code == 200
