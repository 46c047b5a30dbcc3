"""The incumbent and the registry on one store: what one is given, the other serves."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.clients.images import OCI_INDEX, LayoutImage, add_index, build_image, random_bytes
from tests.clients.incumbent import running_incumbent
from tests.clients.programs import Programs
from tests.clients.pushing import connected, push_image, push_manifest
from tests.live import Service, running_registry

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("docker-registry", "skopeo", "umoci", "/etc/containers/policy.json"),
]

_ORDERS = pytest.mark.parametrize(("giver", "taker"), [("ours", "theirs"), ("theirs", "ours")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both registries, running at once on one store."""

    services: dict[str, Service]
    clients: dict[str, httpx.Client]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    root = folder / "store"
    with ExitStack() as stack:
        services = {
            "ours": stack.enter_context(running_registry(folder, root=root)),
            "theirs": stack.enter_context(running_incumbent(folder, root)),
        }
        clients = {
            name: stack.enter_context(connected(service.url)) for name, service in services.items()
        }
        yield Pair(services=services, clients=clients)


@_ORDERS
def test_an_image_given_to_one_is_pulled_from_the_other(
    pair: Pair, team: str, programs: Programs, giver: str, taker: str
) -> None:
    image = build_image(programs)
    programs.copy(image.reference, f"docker://{pair.services[giver].host}/{team}/image:v1")
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="v1")
    programs.copy(f"docker://{pair.services[taker].host}/{team}/image:v1", pulled.reference)
    assert pulled.digest == image.digest
    for digest in image.blobs:
        assert pulled.content(digest) == image.content(digest)


@_ORDERS
def test_an_index_given_to_one_is_pulled_from_the_other(
    pair: Pair, team: str, programs: Programs, giver: str, taker: str
) -> None:
    images = [build_image(programs, tag=tag, architecture=tag) for tag in ("amd64", "arm64")]
    index = add_index(*images, architectures=("amd64", "arm64"), tag="multi")
    given = f"docker://{pair.services[giver].host}/{team}/image:multi"
    programs.copy(index.reference, given, "--all")
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="multi")
    taken = f"docker://{pair.services[taker].host}/{team}/image:multi"
    programs.copy(taken, pulled.reference, "--all")
    assert pulled.digest == index.digest


@_ORDERS
def test_an_image_of_docker_schema_2_given_to_one_is_served_by_the_other(
    pair: Pair, team: str, programs: Programs, giver: str, taker: str
) -> None:
    given = f"docker://{pair.services[giver].host}/{team}/image:v2s2"
    programs.copy(build_image(programs).reference, given, "--format", "v2s2")
    taken = f"docker://{pair.services[taker].host}/{team}/image:v2s2"
    assert programs.inspect(taken, "--raw") == programs.inspect(given, "--raw")
    programs.copy(taken, f"dir:{programs.folder / 'pulled'}")
    assert programs.digest(f"dir:{programs.folder / 'pulled'}") == programs.digest(given)


@_ORDERS
def test_both_list_the_same_tags_and_repositories(
    pair: Pair, team: str, giver: str, taker: str
) -> None:
    for name in ("a", "a/b", "a-b"):
        for tag in ("v1", "1.0-rc1", "_x"):
            push_image(pair.clients[giver], f"{team}/{name}", tag=tag, layer=tag.encode())
    for client in (pair.clients[giver], pair.clients[taker]):
        for name in ("a", "a/b", "a-b"):
            listed = client.get(f"/v2/{team}/{name}/tags/list").json()
            assert sorted(listed["tags"]) == ["1.0-rc1", "_x", "v1"]
        repositories = client.get("/v2/_catalog", params={"n": 1000}).json()["repositories"]
        ours = [name for name in repositories if name.startswith(f"{team}/")]
        assert sorted(ours) == sorted(f"{team}/{name}" for name in ("a", "a/b", "a-b"))


@_ORDERS
def test_a_tag_that_one_moves_has_moved_for_the_other(
    pair: Pair, team: str, giver: str, taker: str
) -> None:
    first, second = pair.clients[giver], pair.clients[taker]
    push_image(first, f"{team}/image", tag="v1", layer=b"old")
    new = push_image(second, f"{team}/image", tag="v1", layer=b"new")
    for client in (first, second):
        answer = client.head(f"/v2/{team}/image/manifests/v1", headers=_accepting(new))
        assert answer.headers["Docker-Content-Digest"] == new["digest"]


@_ORDERS
def test_a_manifest_that_one_deletes_is_gone_for_the_other_with_its_tags(
    pair: Pair, team: str, giver: str, taker: str
) -> None:
    first, second = pair.clients[giver], pair.clients[taker]
    image = push_image(first, f"{team}/image", tag="v1", layer=b"one")
    kept = push_image(first, f"{team}/image", tag="v2", layer=b"two")
    assert _status(second, team, "v1", image) == 200
    gone = second.delete(f"/v2/{team}/image/manifests/{image['digest']}")
    assert gone.status_code == 202
    for client in (first, second):
        assert _status(client, team, "v1", image) == 404
        assert _status(client, team, image["digest"], image) == 404
        assert _status(client, team, "v2", kept) == 200
        assert client.get(f"/v2/{team}/image/tags/list").json()["tags"] == ["v2"]


def test_a_tag_that_the_registry_deletes_is_gone_for_the_incumbent(pair: Pair, team: str) -> None:
    # The other order does not exist: this version of the incumbent cannot delete a tag alone.
    ours, theirs = pair.clients["ours"], pair.clients["theirs"]
    for tag in ("v1", "latest"):
        image = push_image(theirs, f"{team}/image", tag=tag, layer=b"one")
    assert ours.delete(f"/v2/{team}/image/manifests/latest").status_code == 202
    for client in (ours, theirs):
        assert _status(client, team, "latest", image) == 404
        assert _status(client, team, "v1", image) == 200
        assert client.get(f"/v2/{team}/image/tags/list").json()["tags"] == ["v1"]


@_ORDERS
def test_a_blob_that_one_deletes_is_gone_for_the_other(
    pair: Pair, team: str, giver: str, taker: str
) -> None:
    first, second = pair.clients[giver], pair.clients[taker]
    image = push_image(first, f"{team}/image", tag="v1", layer=b"one")
    manifest = second.get(f"/v2/{team}/image/manifests/v1", headers=_accepting(image)).json()
    path = f"/v2/{team}/image/blobs/{manifest['layers'][0]['digest']}"
    assert second.get(path).content == b"one"
    assert second.delete(path).status_code == 202
    for client in (first, second):
        assert client.get(path).status_code == 404


@_ORDERS
def test_a_blob_given_to_one_is_mounted_by_the_other(
    pair: Pair, team: str, giver: str, taker: str
) -> None:
    first, second = pair.clients[giver], pair.clients[taker]
    image = push_image(first, f"{team}/image", tag="v1", layer=b"one")
    manifest = first.get(f"/v2/{team}/image/manifests/v1", headers=_accepting(image)).json()
    layer = manifest["layers"][0]["digest"]
    mounted = second.post(
        f"/v2/{team}/other/blobs/uploads/", params={"mount": layer, "from": f"{team}/image"}
    )
    assert mounted.status_code == 201
    assert first.get(f"/v2/{team}/other/blobs/{layer}").content == b"one"


def test_images_pushed_to_both_at_once_are_served_by_both(
    pair: Pair, team: str, programs: Programs
) -> None:
    common = {"program": random_bytes(500_000)}
    images = [
        build_image(programs, tag=f"v{number}", layers=[common, {"id": random_bytes(16)}])
        for number in range(6)
    ]
    hosts = [service.host for service in pair.services.values()]
    programs.push_at_once(
        {
            f"{hosts[number % 2]}/{team}/image:{image.tag}": image.reference
            for number, image in enumerate(images)
        }
    )
    for host in hosts:
        # The incumbent lists tags in no order.
        assert sorted(programs.list_tags(f"{host}/{team}/image")) == [image.tag for image in images]
    for number, image in enumerate(images):
        pulled = LayoutImage(layout=programs.folder / "pulled", tag=image.tag)
        programs.copy(
            f"docker://{hosts[1 - number % 2]}/{team}/image:{image.tag}", pulled.reference
        )
        assert pulled.digest == image.digest


def test_a_referrer_given_to_the_incumbent_is_listed(pair: Pair, team: str) -> None:
    ours, theirs = pair.clients["ours"], pair.clients["theirs"]
    repository = f"{team}/image"
    subject = push_image(theirs, repository, tag="v1", layer=b"an image")
    before = ours.get(f"/v2/{repository}/referrers/{subject['digest']}")
    assert before.json()["manifests"] == []
    artifact = push_image(
        theirs, repository, layer=b"about it", subject=subject, annotations={"note": "first"}
    )
    (listed,) = ours.get(f"/v2/{repository}/referrers/{subject['digest']}").json()["manifests"]
    assert listed["digest"] == artifact["digest"]
    assert listed["annotations"] == {"note": "first"}


def test_a_referrer_that_the_incumbent_deletes_is_listed_no_more(pair: Pair, team: str) -> None:
    ours, theirs = pair.clients["ours"], pair.clients["theirs"]
    repository = f"{team}/image"
    subject = push_image(ours, repository, tag="v1", layer=b"an image")
    artifacts = [
        push_image(ours, repository, layer=layer, subject=subject) for layer in (b"one", b"two")
    ]
    listing = f"/v2/{repository}/referrers/{subject['digest']}"
    assert len(ours.get(listing).json()["manifests"]) == 2
    gone = theirs.delete(f"/v2/{repository}/manifests/{artifacts[0]['digest']}")
    assert gone.status_code == 202
    (left,) = ours.get(listing).json()["manifests"]
    assert left["digest"] == artifacts[1]["digest"]


def test_referrers_that_a_client_of_the_incumbent_keeps_under_a_tag_are_listed(
    pair: Pair, team: str
) -> None:
    ours, theirs = pair.clients["ours"], pair.clients["theirs"]
    repository = f"{team}/image"
    subject = push_image(theirs, repository, tag="v1", layer=b"an image")
    # Clients that predate the subject member say what an artifact is about by this tag alone.
    tagged = push_image(theirs, repository, layer=b"signature")
    tagged["artifactType"] = "application/vnd.example.signature"
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [tagged]}
    push_manifest(theirs, repository, index, tag=subject["digest"].replace(":", "-"))
    with_subject = push_image(ours, repository, layer=b"about it", subject=subject)
    listed = ours.get(f"/v2/{repository}/referrers/{subject['digest']}").json()["manifests"]
    assert {item["digest"] for item in listed} == {tagged["digest"], with_subject["digest"]}


def test_a_store_is_served_by_one_after_the_other_has_stopped(
    tmp_path: Path, programs: Programs
) -> None:
    root = programs.folder / "store"
    image = build_image(programs)
    other = build_image(programs, tag="v2")
    with running_incumbent(tmp_path, root) as theirs:
        programs.copy(image.reference, f"docker://{theirs.host}/team/image:v1")
    with running_registry(tmp_path, root=root) as ours:
        assert programs.digest(f"docker://{ours.host}/team/image:v1") == image.digest
        programs.copy(other.reference, f"docker://{ours.host}/team/image:v2")
        programs.delete(f"{ours.host}/team/image:v1")
    with running_incumbent(tmp_path, root) as theirs:
        assert programs.list_tags(f"{theirs.host}/team/image") == ["v2"]
        pulled = LayoutImage(layout=programs.folder / "pulled", tag="v2")
        programs.copy(f"docker://{theirs.host}/team/image:v2", pulled.reference)
        assert pulled.digest == other.digest


def test_content_of_sha512_leaves_the_lists_of_the_incumbent_as_they_were(
    pair: Pair, team: str
) -> None:
    ours, theirs = pair.clients["ours"], pair.clients["theirs"]
    repository = f"{team}/image"
    plain = push_image(theirs, repository, tag="plain", layer=b"plain")
    long = push_image(ours, repository, layer=b"long", algorithm="sha512")
    assert ours.get(f"/v2/{repository}/manifests/{long['digest']}").status_code == 200
    assert theirs.get(f"/v2/{repository}/tags/list").json()["tags"] == ["plain"]
    repositories = theirs.get("/v2/_catalog", params={"n": 1000}).json()["repositories"]
    assert repositories.count(repository) == 1
    assert _status(theirs, team, "plain", plain) == 200


def _accepting(descriptor: dict[str, object]) -> dict[str, str]:
    return {"Accept": str(descriptor["mediaType"])}


def _status(client: httpx.Client, team: str, reference: str, descriptor: dict[str, object]) -> int:
    path = f"/v2/{team}/image/manifests/{reference}"
    return client.get(path, headers=_accepting(descriptor)).status_code
