"""Faults of manifests: each with its place, all at once, and never too many."""

import base64
import json

import pytest

from core.digest import Digest
from core.errors import (
    DigestInvalid,
    DigestMismatch,
    DigestUnsupported,
    ManifestFaults,
    ManifestInvalid,
    SizeInvalid,
)
from core.manifest import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_INDEX,
    OCI_MANIFEST,
    ImageManifest,
    parse_manifest,
)
from tests.manifest.documents import Document, descriptor, fault_of, faults_of, image, parse
from tests.manifest.examples import DOCKER, EXAMPLES

__all__: list[str] = []


# Faults and their places.


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"schemaVersion": 1}, "schemaVersion"),
        ({"schemaVersion": "2"}, "schemaVersion"),
        ({"schemaVersion": True}, "schemaVersion"),
        ({"mediaType": 2}, "mediaType"),
        ({"config": None}, "config"),
        ({"config": []}, "config"),
        ({"config": descriptor(size=-1)}, "config.size"),
        ({"config": descriptor(size="1")}, "config.size"),
        ({"config": descriptor(size=1.5)}, "config.size"),
        ({"config": descriptor(size=True)}, "config.size"),
        ({"config": descriptor(size=2**63)}, "config.size"),
        ({"config": descriptor(size=10**4000)}, "config.size"),
        ({"config": descriptor(mediaType="")}, "config.mediaType"),
        ({"config": descriptor(mediaType="text")}, "config.mediaType"),
        ({"config": descriptor(mediaType="text/plain; charset=utf-8")}, "config.mediaType"),
        ({"config": descriptor(mediaType="text/plain\n")}, "config.mediaType"),
        ({"layers": None}, "layers"),
        ({"layers": {}}, "layers"),
        ({"layers": [descriptor(), 1]}, "layers[1]"),
        ({"layers": [descriptor(), descriptor(size=None)]}, "layers[1].size"),
        ({"layers": [descriptor(annotations={"a": 1})]}, "layers[0].annotations.a"),
        ({"layers": [descriptor(urls="x")]}, "layers[0].urls"),
        ({"layers": [descriptor(urls=["ftp://example.com/"])]}, "layers[0].urls[0]"),
        ({"layers": [descriptor(urls=["https://a/", "a#b"])]}, "layers[0].urls[1]"),
        ({"layers": [descriptor(urls=["https://a/#b"])]}, "layers[0].urls[0]"),
        ({"layers": [descriptor(data="?")]}, "layers[0].data"),
        ({"layers": [descriptor(data="YQ")]}, "layers[0].data"),
        ({"layers": [descriptor(data="é")]}, "layers[0].data"),
        ({"layers": [descriptor(platform=1)]}, "layers[0].platform"),
        ({"subject": {}}, None),
        ({"subject": descriptor(size=-1)}, "subject.size"),
        ({"annotations": []}, "annotations"),
        ({"annotations": {"a": None}}, "annotations.a"),
        ({"artifactType": "x"}, "artifactType"),
        ({"manifests": []}, "manifests"),
    ],
)
def test_a_fault_tells_its_place(members: Document, field: str | None) -> None:
    found = faults_of(image(**members))
    assert all(isinstance(fault, ManifestInvalid) for fault in found)
    if field is not None:
        assert [fault.detail.get("field") for fault in found] == [field]


@pytest.mark.parametrize("member", ["schemaVersion", "config", "layers"])
def test_a_missing_member_is_named(member: str) -> None:
    document = image()
    del document[member]
    assert fault_of(document).detail["field"] == member


def test_a_docker_manifest_must_say_what_it_is() -> None:
    document = json.loads(DOCKER)
    del document["mediaType"]
    assert fault_of(document, DOCKER_MANIFEST).detail["field"] == "mediaType"


def test_a_digest_that_does_not_parse_is_a_fault_of_its_field() -> None:
    fault = fault_of(image(layers=[descriptor(), descriptor(digest="sha256:abc")]))
    assert type(fault) is DigestInvalid
    assert fault.detail["field"] == "layers[1].digest"
    assert fault.detail["digest"] == "sha256:abc"


def test_an_unknown_algorithm_is_a_fault_of_its_field() -> None:
    fault = fault_of(image(config=descriptor(digest="md5:abc")))
    assert type(fault) is DigestUnsupported
    assert fault.detail["field"] == "config.digest"
    assert fault.detail["digest"] == "md5:abc"


def test_a_digest_that_is_no_text_is_a_fault_of_its_field() -> None:
    assert fault_of(image(config=descriptor(digest=1))).detail["field"] == "config.digest"


def test_all_faults_are_told_at_once_in_the_order_of_the_document() -> None:
    document = image(
        schemaVersion=3,
        config=descriptor(digest="sha256:abc"),
        layers=[descriptor(size=-1), descriptor(), descriptor(digest="md5:a", size="1")],
    )
    assert [(type(fault), fault.detail.get("field")) for fault in faults_of(document)] == [
        (ManifestInvalid, "schemaVersion"),
        (DigestInvalid, "config.digest"),
        (ManifestInvalid, "layers[0].size"),
        (DigestUnsupported, "layers[2].digest"),
        (ManifestInvalid, "layers[2].size"),
    ]


def test_contradictions_are_told_at_once() -> None:
    document = image(
        manifests=[],
        config=descriptor(data="Yg=="),
        layers=[descriptor(size=2, data="YQ=="), descriptor(urls=["x"])],
    )
    assert [(type(fault), fault.detail["field"]) for fault in faults_of(document)] == [
        (ManifestInvalid, "manifests"),
        (DigestMismatch, "config.data"),
        (SizeInvalid, "layers[0].data"),
        (ManifestInvalid, "layers[1].urls[0]"),
    ]


@pytest.mark.parametrize(
    ("media_type", "member"),
    [
        (OCI_MANIFEST, "manifests"),
        (DOCKER_MANIFEST, "manifests"),
        (OCI_INDEX, "layers"),
        (OCI_INDEX, "config"),
        (DOCKER_MANIFEST_LIST, "layers"),
        (DOCKER_MANIFEST_LIST, "config"),
    ],
)
def test_a_document_that_could_pass_for_another_kind_is_refused(
    media_type: str, member: str
) -> None:
    document = {**json.loads(EXAMPLES[media_type]), member: []}
    assert fault_of(document, media_type).detail["field"] == member


def test_data_that_is_the_content_is_let_in() -> None:
    data = base64.b64encode(b"a").decode()
    document = parse(image(config=descriptor(data=data))).document
    assert isinstance(document, ImageManifest)
    assert document.config.data == data


# Very many faults, and very many parts.


FLOODS = {
    "empty layers": b'{"schemaVersion":2,"layers":[' + b"{}," * 1_300_000 + b"{}]}",
    "texts for layers": b'{"schemaVersion":2,"layers":[' + b'"",' * 1_000_000 + b'""]}',
    "numbers for annotations": b'{"schemaVersion":2,"annotations":{%s}}'
    % b",".join(b'"%d":1' % number for number in range(300_000)),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_of_faults_is_refused_before_they_are_counted(flood: bytes) -> None:
    with pytest.raises(ManifestInvalid, match="parts"):
        parse_manifest(flood, OCI_MANIFEST, Digest.of(flood))


def test_of_very_many_faults_the_first_are_told_and_the_others_counted() -> None:
    payload = b'{"schemaVersion":2,"config":{},"layers":[' + b"{}," * 999 + b"{}]}"
    with pytest.raises(ManifestFaults) as caught:
        parse_manifest(payload, OCI_MANIFEST, Digest.of(payload))
    faults = caught.value.faults
    assert len(faults) == 101
    assert faults[0].detail["field"] == "config.mediaType"
    assert faults[-1].detail["reason"] == f"{3 * 1001 - 100} more faults are not listed"


def test_the_largest_manifest_of_valid_descriptors_is_taken() -> None:
    layer = b'{"mediaType":"a/b","digest":"sha256:%s","size":1}' % (b"a" * 64)
    layers = b",".join([layer] * (4 * 1024 * 1024 // (len(layer) + 1) - 2))
    payload = b'{"schemaVersion":2,"config":%s,"layers":[%s]}' % (layer, layers)
    manifest = parse_manifest(payload, OCI_MANIFEST, Digest.of(payload))
    assert len(list(manifest.references())) > 35_000
