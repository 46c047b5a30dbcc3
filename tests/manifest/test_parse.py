"""From bytes to manifests: what is right, what is none, and what a stored one was pushed as."""

import pytest

from core.digest import Digest
from core.errors import ManifestInvalid
from core.manifest import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    MANIFEST_MEDIA_TYPES,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    DockerManifest,
    ImageIndex,
    ImageManifest,
    detect_media_type,
    parse_manifest,
)
from tests.manifest.documents import descriptor, fault_of, faults_of, image, parse
from tests.manifest.examples import ARTIFACT, DOCKER, DOCKER_LIST, EXAMPLES, IMAGE, INDEX, A, B, C

__all__: list[str] = []


# What is right.


@pytest.mark.parametrize("media_type", EXAMPLES)
def test_a_manifest_keeps_the_bytes_that_were_pushed(media_type: str) -> None:
    payload = EXAMPLES[media_type]
    manifest = parse(payload, media_type)
    assert manifest.payload == payload
    assert manifest.media_type == media_type
    assert manifest.digest == Digest.of(payload)


@pytest.mark.parametrize("media_type", EXAMPLES)
def test_a_manifest_says_itself_what_it_is(media_type: str) -> None:
    payload = EXAMPLES[media_type]
    assert detect_media_type(payload) == media_type
    assert parse(payload, None).media_type == media_type
    assert parse_manifest(payload, None, Digest.of(payload)) == parse(payload, media_type)


def test_an_image_is_read() -> None:
    document = parse(IMAGE).document
    assert isinstance(document, ImageManifest)
    assert document.config.digest == Digest.parse(A)
    assert document.config.size == 7023
    assert [layer.media_type for layer in document.layers] == [
        "application/vnd.oci.image.layer.v1.tar+gzip"
    ]
    assert document.annotations == {"com.example.key1": "value1", "é": "üü"}


def test_an_index_is_read() -> None:
    document = parse(INDEX, OCI_INDEX).document
    assert isinstance(document, ImageIndex)
    platform = document.manifests[1].platform
    assert platform is not None
    assert platform.os_version == "10.0.14393.1066"
    assert platform.os_features == ["win32k"]
    assert platform.model_extra == {"features": ["sse4"]}


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        (OCI_MANIFEST, [("config", "blob", A), ("layers[0]", "blob", B)]),
        (OCI_INDEX, [("manifests[0]", "manifest", A), ("manifests[1]", "manifest", B)]),
        (DOCKER_MANIFEST, [("config", "blob", A), ("layers[0]", "blob", B)]),
        (DOCKER_MANIFEST_LIST, [("manifests[0]", "manifest", A)]),
        (OCI_ARTIFACT, [("blobs[0]", "blob", A)]),
    ],
)
def test_a_manifest_refers_to_what_its_repository_must_have(
    media_type: str, expected: list[tuple[str, str, str]]
) -> None:
    found = parse(EXAMPLES[media_type], media_type).references()
    assert [(one.field, one.kind, str(one.descriptor.digest)) for one in found] == expected


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    ],
)
def test_a_non_distributable_layer_is_needed_only_without_urls(media_type: str) -> None:
    elsewhere = descriptor(mediaType=media_type, digest=B, urls=["https://example.com/"])
    here = descriptor(mediaType=media_type, digest=C)
    found = parse(image(layers=[elsewhere, here])).references()
    assert [one.field for one in found] == ["config", "layers[1]"]


def test_an_ordinary_layer_is_needed_although_it_has_urls() -> None:
    layer = descriptor(urls=["https://example.com/"])
    assert [one.field for one in parse(image(layers=[layer])).references()][1:] == ["layers[0]"]


@pytest.mark.parametrize(
    ("media_type", "has_subject"),
    [
        (OCI_MANIFEST, True),
        (OCI_ARTIFACT, True),
        (OCI_INDEX, False),
        (DOCKER_MANIFEST, False),
        (DOCKER_MANIFEST_LIST, False),
    ],
)
def test_the_subject_of_a_manifest_is_found(media_type: str, has_subject: bool) -> None:
    subject = parse(EXAMPLES[media_type], media_type).subject
    assert (subject is not None) == has_subject
    if subject is not None:
        assert str(subject.digest) == C


def test_members_that_nobody_knows_are_let_in() -> None:
    document = parse(image(x={"y": [1, 2.5, None]})).document
    assert document.model_extra == {"x": {"y": [1, 2.5, None]}}


def test_an_image_without_layers_is_an_image() -> None:
    assert [one.field for one in parse(image(layers=[])).references()] == ["config"]


def test_of_a_member_given_twice_the_last_counts() -> None:
    payload = IMAGE.replace(b'"layers"', b'"layers": [], "layers"')
    assert [one.field for one in parse(payload).references()] == ["config", "layers[0]"]


# What is no manifest at all.


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"{",
        b"manifest",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{'a': 1}",
        b"{}{}",
        b'{"a":1,}',
    ],
)
def test_what_is_not_json_is_refused(payload: bytes) -> None:
    fault = fault_of(payload)
    assert isinstance(fault, ManifestInvalid)
    assert fault.message.startswith("the manifest is not JSON: ")
    assert isinstance(fault_of(payload, None), ManifestInvalid)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("place", ['"x": %s,', '"x": {"y": [%s]},', '"annotations": {"a": %s},'])
def test_numbers_that_json_does_not_have_are_refused(number: str, place: str) -> None:
    payload = IMAGE.replace(b'"schemaVersion"', (place % number).encode() + b'"schemaVersion"')
    assert fault_of(payload).message.startswith("the manifest is not JSON: ")


@pytest.mark.parametrize("payload", [b"[]", b"null", b"1", b'"text"'])
def test_json_that_is_no_object_is_refused(payload: bytes) -> None:
    assert isinstance(fault_of(payload), ManifestInvalid)
    assert isinstance(fault_of(payload, None), ManifestInvalid)


@pytest.mark.parametrize("payload", [b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_nested_too_deep_is_refused(payload: bytes) -> None:
    assert fault_of(payload).message.startswith("the manifest is nested too deep")
    assert fault_of(payload, None).message.startswith("the manifest is nested too deep")


def test_a_number_of_a_million_digits_is_refused() -> None:
    payload = IMAGE.replace(b"7023", b"9" * 1_000_000)
    assert isinstance(fault_of(payload), ManifestInvalid)
    payload = IMAGE.replace(b'"schemaVersion"', b'"x": %s, "schemaVersion"' % (b"9" * 1_000_000))
    assert isinstance(fault_of(payload), ManifestInvalid)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "text/plain",
        "",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.oci.image.config.v1+json",
    ],
)
def test_a_type_that_cannot_be_pushed_is_refused(media_type: str) -> None:
    fault = fault_of(IMAGE, media_type)
    assert fault.detail["field"] == "mediaType"
    assert fault.detail["expected"] == MANIFEST_MEDIA_TYPES


@pytest.mark.parametrize(
    ("payload", "media_type"),
    [
        (IMAGE, DOCKER_MANIFEST),
        (DOCKER, OCI_MANIFEST),
        (INDEX, OCI_MANIFEST),
        (DOCKER_LIST, OCI_INDEX),
        (ARTIFACT, OCI_MANIFEST),
    ],
)
def test_a_manifest_that_is_of_another_type_than_it_is_sent_as_is_refused(
    payload: bytes, media_type: str
) -> None:
    assert "mediaType" in {fault.detail.get("field") for fault in faults_of(payload, media_type)}


# What a stored manifest was pushed as.


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"{}", OCI_MANIFEST),
        (b'{"manifests": []}', OCI_INDEX),
        (b'{"manifests": null}', OCI_MANIFEST),
        (b'{"mediaType": "", "manifests": []}', OCI_INDEX),
        (b'{"mediaType": 1}', OCI_MANIFEST),
        (b'{"mediaType": "application/x"}', "application/x"),
        (b'{"schemaVersion": 1}', "application/vnd.docker.distribution.manifest.v1+json"),
        (
            b'{"schemaVersion": 1, "signatures": []}',
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
        ),
    ],
)
def test_the_type_of_a_stored_manifest_is_found(payload: bytes, expected: str) -> None:
    assert detect_media_type(payload) == expected


def test_a_docker_manifest_reads_as_one() -> None:
    manifest = parse_manifest(DOCKER, None, Digest.of(DOCKER))
    assert isinstance(manifest.document, DockerManifest)
