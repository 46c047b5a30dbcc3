"""What was deleted is gone, and nothing else is."""

import httpx
import pytest

from tests.clients.images import build_image
from tests.clients.programs import ProgramFailed, Programs
from tests.clients.pushing import push_image
from tests.live import Service

__all__: list[str] = []

pytestmark = pytest.mark.clients

_needs_skopeo = pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json")


@_needs_skopeo
def test_skopeo_deletes_a_manifest_with_its_tag_and_leaves_the_others(
    registry: Service, team: str, programs: Programs, http: httpx.Client
) -> None:
    repository = f"{registry.host}/{team}/image"
    images = {tag: build_image(programs, tag=tag) for tag in ("v1", "v2")}
    for tag, image in images.items():
        programs.copy(image.reference, f"docker://{repository}:{tag}")
    programs.delete(f"{repository}:v1")
    assert programs.list_tags(repository) == ["v2"]
    for reference in ("v1", images["v1"].digest):
        assert http.get(f"/v2/{team}/image/manifests/{reference}").status_code == 404
    assert programs.digest(f"docker://{repository}:v2") == images["v2"].digest
    programs.copy(f"docker://{repository}:v2", f"dir:{programs.folder / 'pulled'}")


@_needs_skopeo
def test_skopeo_cannot_pull_or_delete_what_was_deleted(
    registry: Service, team: str, programs: Programs
) -> None:
    name = f"{registry.host}/{team}/image:v1"
    programs.copy(build_image(programs).reference, f"docker://{name}")
    programs.delete(name)
    with pytest.raises(ProgramFailed, match="manifest unknown"):
        programs.copy(f"docker://{name}", f"dir:{programs.folder / 'pulled'}")
    with pytest.raises(ProgramFailed, match=r"(?i)unable to delete|manifest unknown"):
        programs.delete(name)


@_needs_skopeo
def test_an_image_that_was_deleted_can_be_pushed_again(
    registry: Service, team: str, programs: Programs
) -> None:
    name = f"{registry.host}/{team}/image:v1"
    image = build_image(programs)
    programs.copy(image.reference, f"docker://{name}")
    programs.delete(name)
    programs.copy(image.reference, f"docker://{name}")
    programs.copy(f"docker://{name}", f"dir:{programs.folder / 'pulled'}")
    assert programs.digest(f"docker://{name}") == image.digest


def test_deleting_a_tag_leaves_its_manifest_and_its_other_tags(
    http: httpx.Client, team: str
) -> None:
    repository = f"{team}/image"
    for tag in ("v1", "latest"):
        image = push_image(http, repository, tag=tag, layer=b"an image")
    assert http.delete(f"/v2/{repository}/manifests/v1").status_code == 202
    assert http.get(f"/v2/{repository}/manifests/v1").status_code == 404
    assert http.get(f"/v2/{repository}/tags/list").json()["tags"] == ["latest"]
    for reference in ("latest", image["digest"]):
        assert http.get(f"/v2/{repository}/manifests/{reference}").status_code == 200


def test_deleting_a_manifest_removes_all_of_its_tags_and_no_others(
    http: httpx.Client, team: str
) -> None:
    repository = f"{team}/image"
    for tag in ("v1", "latest"):
        image = push_image(http, repository, tag=tag, layer=b"an image")
    push_image(http, repository, tag="v2", layer=b"another image")
    assert http.delete(f"/v2/{repository}/manifests/{image['digest']}").status_code == 202
    for reference in ("v1", "latest", image["digest"]):
        assert http.get(f"/v2/{repository}/manifests/{reference}").status_code == 404
    assert http.get(f"/v2/{repository}/tags/list").json()["tags"] == ["v2"]


def test_deleting_a_blob_leaves_it_in_the_repository_it_was_mounted_to(
    http: httpx.Client, team: str
) -> None:
    source, target = f"{team}/image", f"{team}/other"
    image = push_image(http, source, tag="v1", layer=b"an image")
    manifest = http.get(f"/v2/{source}/manifests/{image['digest']}").json()
    layer = manifest["layers"][0]["digest"]
    mounted = http.post(f"/v2/{target}/blobs/uploads/", params={"mount": layer, "from": source})
    assert mounted.status_code == 201
    assert http.delete(f"/v2/{source}/blobs/{layer}").status_code == 202
    assert http.get(f"/v2/{source}/blobs/{layer}").status_code == 404
    assert http.get(f"/v2/{target}/blobs/{layer}").content == b"an image"
