"""Clients that know one format only get images in it, where the registry is set up to convert."""

import gzip
import http.client
import json
from collections.abc import Iterator

import pytest

from api.accept import choose_format
from tests.api.content import CONFIG_TYPE, LAYER_TYPE, Repository, describe, digest_of, image
from tests.api.wire import Wire
from tests.live import Service, running_registry
from tests.manifest.schema1.signing import image as old_image
from tests.manifest.schema1.signing import sign

__all__: list[str] = []

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
UNSIGNED = "application/vnd.docker.distribution.manifest.v1+json"
PLAIN = bytes(10240)
LAYER = gzip.compress(PLAIN)


@pytest.mark.parametrize(
    ("accept", "stored", "chosen"),
    [
        # A client that takes anything gets what there is.
        (None, SIGNED, None),
        (None, "application/vnd.example", None),
        ("", OCI, None),
        ("*/*", SIGNED, None),
        ("*/*", DOCKER, None),
        ("text/html", DOCKER, None),
        ("application/json", DOCKER, None),
        # Those of the time of schema 1. Docker before 1.10 sent no Accept.
        (None, OCI, "schema1"),
        (None, DOCKER, "schema1"),
        (None, DOCKER_LIST, "schema1"),
        (SIGNED, DOCKER, "schema1"),
        (UNSIGNED, OCI, "schema1"),
        (f"{SIGNED}, {UNSIGNED};q=0.5, application/json", OCI_INDEX, "schema1"),
        (f"{SIGNED.upper()} ; q=1", DOCKER_LIST, "schema1"),
        (f"{SIGNED}, {DOCKER};q=0", DOCKER, "schema1"),
        (f"{SIGNED}, */*", DOCKER, None),
        (f"{SIGNED}, application/*;q=0.1", DOCKER, None),
        (f"{SIGNED}, {DOCKER}", OCI, None),
        (f"{SIGNED}, {OCI_INDEX}", DOCKER, None),
        (f"{SIGNED};q=0", DOCKER, None),
        (SIGNED, "application/vnd.example", None),
        # Those that have never heard of it.
        (DOCKER, SIGNED, "schema2"),
        (OCI, SIGNED, "oci"),
        (f"{DOCKER}, {DOCKER_LIST}, {OCI}, {OCI_INDEX}, */*", SIGNED, "schema2"),
        (f"{DOCKER};q=0.5, {OCI}", SIGNED, "oci"),
        (f"{DOCKER};q=x, {OCI};q=0.9", SIGNED, "schema2"),
        (f"{DOCKER}, {SIGNED}", SIGNED, None),
        (f"{OCI}, {UNSIGNED}", SIGNED, None),
        (OCI_INDEX, SIGNED, None),
    ],
)
def test_a_format_is_chosen_by_what_the_client_names(
    accept: str | None, stored: str, chosen: str | None
) -> None:
    assert choose_format(accept, stored) == chosen


@pytest.fixture(scope="module")
def converting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("converting")
    with running_registry(folder, MOORAGE_MANIFESTS__SCHEMA1="convert") as service:
        yield service


@pytest.fixture
def converted(converting: Service, repository: Repository) -> Repository:
    """A repository of a registry that converts, with a layer."""
    found = Repository(Wire(converting), repository.name)
    found.push_blob(LAYER)
    return found


def push_new(repository: Repository) -> bytes:
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digest_of(PLAIN)]},
            "history": [{"created_by": "ADD"}, {"empty_layer": True}],
        }
    ).encode()
    repository.push_blob(config)
    payload = image([describe(LAYER, LAYER_TYPE)], describe(config, CONFIG_TYPE))
    repository.push_manifest(payload, "1.0")
    return payload


def push_old(repository: Repository, **members: object) -> bytes:
    document = sign(
        old_image(
            3, **{"name": repository.name, "fsLayers": [{"blobSum": digest_of(LAYER)}], **members}
        )
    )
    repository.push_manifest(document, "1.0", SIGNED)
    return document


@pytest.mark.parametrize("direction", ["old", "new"])
def test_digest_etag_length_and_conditions_are_those_of_the_bytes_sent(
    converted: Repository, direction: str
) -> None:
    given = push_old(converted) if direction == "old" else push_new(converted)
    accept, media_type = (OCI, OCI) if direction == "old" else (SIGNED, SIGNED)
    url = f"{converted.url}/manifests/1.0"
    got = converted.wire.get(url, Accept=accept)
    assert (got.status, got.headers["content-type"]) == (200, media_type)
    assert got.body != given
    digest = got.headers["docker-content-digest"]
    if direction == "old":
        assert digest == digest_of(got.body)
    assert got.headers["etag"] == f'"{digest}"'
    head = converted.wire.head(url, Accept=accept)
    kept = ("content-type", "content-length", "docker-content-digest", "etag", "vary")
    assert [head.headers[name] for name in kept] == [got.headers[name] for name in kept]
    assert got.headers["vary"] == "Accept"
    assert got.headers["content-length"] == str(len(got.body))
    same = converted.wire.get(url, Accept=accept, If_None_Match=got.headers["etag"])
    assert (same.status, same.headers["etag"]) == (304, got.headers["etag"])
    assert same.headers["vary"] == "Accept"
    plain = converted.wire.get(url, Accept="*/*")
    assert plain.body == given
    other = converted.wire.get(url, Accept=accept, If_None_Match=plain.headers["etag"])
    assert other.body == got.body
    # Whoever asks for a digest gets what has it, in whatever format that is.
    for reference in (digest, plain.headers["docker-content-digest"]):
        found = converted.wire.get(f"{converted.url}/manifests/{reference}", Accept="text/html")
        assert found.headers["docker-content-digest"] == reference
        assert "vary" not in found.headers
    assert converted.wire.get(f"{converted.url}/manifests/{digest}").body == got.body


def test_every_blob_of_a_converted_image_can_be_pulled(converted: Repository) -> None:
    push_old(converted)
    document = converted.wire.get(f"{converted.url}/manifests/1.0", Accept=DOCKER).json()
    config = converted.wire.get(f"{converted.url}/blobs/{document['config']['digest']}")
    assert json.loads(config.body)["rootfs"]["diff_ids"] == [digest_of(PLAIN)]
    [layer] = document["layers"]
    assert converted.wire.get(f"{converted.url}/blobs/{layer['digest']}").body == LAYER
    push_new(converted)
    old = converted.wire.get(f"{converted.url}/manifests/1.0", Accept=SIGNED).json()
    assert len(old["fsLayers"]) == 2
    for one in old["fsLayers"]:
        assert converted.wire.get(f"{converted.url}/blobs/{one['blobSum']}").status == 200


def test_a_client_that_sends_no_accept_gets_schema_1_if_there_is_a_form_for_it(
    converted: Repository,
) -> None:
    url = f"{converted.url}/manifests/1.0"
    push_new(converted)
    found, head = converted.wire.get(url), converted.wire.head(url)
    assert found.body == converted.wire.get(url, Accept=SIGNED).body
    for answer in (found, head):
        assert answer.headers["content-type"] == SIGNED
        assert answer.headers["vary"] == "Accept"
    config = b"{}"
    converted.push_blob(config)
    artifact = image([describe(LAYER, "application/x")], describe(config, "application/x"))
    converted.push_manifest(artifact, "1.0")
    assert converted.wire.get(url).body == artifact
    converted.wire.get(url, Accept=SIGNED).assert_error(400, "MANIFEST_INVALID")


def test_several_lines_of_accept_are_one_list(converted: Repository, converting: Service) -> None:
    given = push_old(converted)
    connection = http.client.HTTPConnection("127.0.0.1", converting.port, timeout=15)
    connection.putrequest("GET", f"{converted.url}/manifests/1.0")
    for media_type in (OCI, DOCKER, UNSIGNED):
        connection.putheader("Accept", media_type)
    connection.endheaders()
    assert connection.getresponse().read() == given
    connection.close()


def test_what_cannot_be_converted_is_an_error_that_says_why(converted: Repository) -> None:
    history = [{"v1Compatibility": json.dumps({"id": "a" * 64, "parent": "b" * 64})}]
    given = push_old(converted, history=history)
    url = f"{converted.url}/manifests/1.0"
    detail = converted.wire.get(url, Accept=OCI).assert_error(400, "MANIFEST_INVALID")
    assert detail["reason"]
    assert converted.wire.head(url, Accept=OCI).status == 400
    assert converted.wire.get(url, Accept=SIGNED).body == given


def test_by_default_everybody_gets_what_was_pushed(repository: Repository) -> None:
    repository.push_blob(LAYER)
    payload = push_new(repository)
    found = repository.wire.get(f"{repository.url}/manifests/1.0", Accept=SIGNED)
    assert (found.status, found.body) == (200, payload)
    assert "vary" not in found.headers
