"""skopeo pushes, pulls, lists, copies, synchronizes and deletes."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.images import LayoutImage, add_index, build_image
from tests.clients.programs import Programs
from tests.clients.traffic import watching
from tests.live import Service, running_registry

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json"),
]

_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
def image(programs: Programs) -> LayoutImage:
    return build_image(programs)


@pytest.fixture
def second_registry(tmp_path: Path) -> Iterator[Service]:
    with running_registry(tmp_path, name="second") as service:
        yield service


def test_an_image_of_several_layers_comes_back_as_it_was_pushed(
    registry: Service, team: str, programs: Programs, image: LayoutImage
) -> None:
    pushed = f"docker://{registry.host}/{team}/image:v1"
    programs.copy(image.reference, pushed)
    assert programs.digest(pushed) == image.digest
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="v1")
    programs.copy(pushed, pulled.reference)
    assert pulled.digest == image.digest
    assert len(image.blobs) == 4
    for digest in image.blobs:
        assert pulled.content(digest) == image.content(digest)


def test_an_image_is_pulled_by_its_digest(
    registry: Service, team: str, programs: Programs, image: LayoutImage
) -> None:
    name = f"docker://{registry.host}/{team}/image"
    programs.copy(image.reference, f"{name}:v1")
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="v1")
    programs.copy(f"{name}@{image.digest}", pulled.reference)
    assert pulled.digest == image.digest


def test_an_image_of_docker_schema_2_comes_back_as_it_was_pushed(
    registry: Service, team: str, programs: Programs, image: LayoutImage, http: httpx.Client
) -> None:
    pushed = f"docker://{registry.host}/{team}/image:v2s2"
    programs.copy(image.reference, pushed, "--format", "v2s2")
    served = http.get(f"/v2/{team}/image/manifests/v2s2")
    assert served.headers["Content-Type"] == _DOCKER_MANIFEST
    folder = programs.folder / "pulled"
    programs.copy(pushed, f"dir:{folder}")
    assert (folder / "manifest.json").read_bytes() == served.content
    assert programs.digest(f"dir:{folder}") == served.headers["Docker-Content-Digest"]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_layers_are_kept_in_whatever_compression_they_are_sent(
    registry: Service, team: str, programs: Programs, image: LayoutImage, compression: str
) -> None:
    plain = programs.folder / "plain"
    programs.copy(image.reference, f"dir:{plain}", "--dest-decompress")
    pushed = f"docker://{registry.host}/{team}/image:{compression}"
    programs.copy(f"dir:{plain}", pushed, "--dest-compress-format", compression, "--format", "oci")
    layers = programs.inspect(pushed, "--raw")["layers"]
    assert {layer["mediaType"].rpartition("+")[2] for layer in layers} == {compression}
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="v1")
    programs.copy(pushed, pulled.reference)
    assert pulled.digest == programs.digest(pushed)


def test_what_was_pushed_is_inspected_and_its_tags_are_listed(
    registry: Service, team: str, programs: Programs, image: LayoutImage
) -> None:
    repository = f"{registry.host}/{team}/image"
    for tag in ("v1", "v2", "1.0-rc1", "_x"):
        programs.copy(image.reference, f"docker://{repository}:{tag}")
    assert programs.list_tags(repository) == ["1.0-rc1", "_x", "v1", "v2"]
    found = programs.inspect(f"docker://{repository}:v2")
    assert found["Digest"] == image.digest
    assert found["Architecture"] == "amd64"
    assert found["RepoTags"] == ["1.0-rc1", "_x", "v1", "v2"]
    assert found["Layers"] == [layer["digest"] for layer in image.manifest["layers"]]


def test_layers_copied_to_another_repository_are_mounted_and_not_sent(
    registry: Service, team: str, programs: Programs, image: LayoutImage
) -> None:
    source = f"docker://{registry.host}/{team}/image:v1"
    target = f"docker://{registry.host}/{team}/other:v1"
    programs.copy(image.reference, source)
    with watching(registry) as seen:
        programs.copy(source, target)
    layers = [layer["digest"] for layer in image.manifest["layers"]]
    assert sorted(request.mounted for request in seen if request.is_mount) == sorted(layers)
    # skopeo never tries to mount a config, so that one is sent again, by one PATCH and one PUT.
    sent = [request for request in seen if request.is_upload]
    assert [request.method for request in sent] == ["PATCH", "PUT"]
    assert sent[-1].digest == image.manifest["config"]["digest"]
    assert programs.digest(target) == image.digest


def test_an_image_that_is_there_already_is_not_sent_again(
    registry: Service, team: str, programs: Programs, image: LayoutImage
) -> None:
    repository = f"docker://{registry.host}/{team}/image"
    programs.copy(image.reference, f"{repository}:v1")
    with watching(registry) as seen:
        programs.copy(image.reference, f"{repository}:v2")
    assert not [request for request in seen if request.is_upload]
    assert programs.digest(f"{repository}:v2") == image.digest


def test_an_image_is_copied_between_two_registries(
    registry: Service, team: str, second_registry: Service, programs: Programs, image: LayoutImage
) -> None:
    source = f"docker://{registry.host}/{team}/image:v1"
    target = f"docker://{second_registry.host}/mirror/image:v1"
    programs.copy(image.reference, source)
    programs.copy(source, target)
    assert programs.digest(target) == image.digest
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="v1")
    programs.copy(target, pulled.reference)
    assert pulled.blobs == image.blobs


def test_an_index_is_copied_with_all_its_images(
    registry: Service, team: str, second_registry: Service, programs: Programs, image: LayoutImage
) -> None:
    other = build_image(programs, tag="arm", architecture="arm64")
    index = add_index(image, other, architectures=("amd64", "arm64"), tag="multi")
    source = f"docker://{registry.host}/{team}/image:multi"
    target = f"docker://{second_registry.host}/mirror/image:multi"
    programs.copy(index.reference, source, "--all")
    programs.copy(source, target, "--all")
    raw = programs.inspect(target, "--raw")
    assert [item["digest"] for item in raw["manifests"]] == [image.digest, other.digest]
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="multi")
    programs.copy(target, pulled.reference, "--all")
    assert pulled.digest == index.digest
    for part in (image, other):
        assert all(pulled.content(digest) for digest in (part.digest, *part.blobs))


def test_one_image_of_an_index_is_chosen_by_its_platform(
    registry: Service, team: str, programs: Programs, image: LayoutImage
) -> None:
    other = build_image(programs, tag="arm", architecture="arm64")
    index = add_index(image, other, architectures=("amd64", "arm64"), tag="multi")
    pushed = f"docker://{registry.host}/{team}/image:multi"
    programs.copy(index.reference, pushed, "--all")
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="v1")
    programs.skopeo(
        *("--override-arch", "arm64", "--override-os", "linux"),
        *("copy", "--src-tls-verify=false", pushed, pulled.reference),
    )
    assert pulled.digest == other.digest


def test_a_repository_is_synchronized_to_a_folder_and_from_it(
    registry: Service, team: str, programs: Programs, image: LayoutImage
) -> None:
    repository = f"{registry.host}/{team}/image"
    for tag in ("v1", "v2"):
        programs.copy(image.reference, f"docker://{repository}:{tag}")
    folder = programs.folder / "synchronized"
    out = ("sync", "--src", "docker", "--dest", "dir", "--src-tls-verify=false")
    programs.skopeo(*out, repository, folder)
    assert sorted(item.name for item in folder.iterdir()) == ["image:v1", "image:v2"]
    back = ("sync", "--src", "dir", "--dest", "docker", "--dest-tls-verify=false")
    programs.skopeo(*back, folder, f"{registry.host}/{team}/again")
    assert programs.list_tags(f"{registry.host}/{team}/again/image") == ["v1", "v2"]
    assert programs.digest(f"docker://{registry.host}/{team}/again/image:v2") == image.digest
