"""What a manifest says about another one, as lenient as other registries are."""

import json

import pytest

from core.digest import Digest
from core.manifest import OCI_ARTIFACT, OCI_INDEX, OCI_MANIFEST, Referrer, find_referrer
from tests.manifest.examples import ARTIFACT, DOCKER, DOCKER_LIST, IMAGE, INDEX, A, C

__all__: list[str] = []

SUBJECT = {"mediaType": OCI_MANIFEST, "digest": C, "size": 1}


def find(document: bytes | dict[str, object]) -> Referrer | None:
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    return find_referrer(payload, Digest.of(payload))


def found(document: bytes | dict[str, object]) -> Referrer:
    referrer = find(document)
    assert referrer is not None
    return referrer


def test_an_image_is_listed_with_its_configs_type_and_its_annotations() -> None:
    referrer = found(IMAGE)
    assert str(referrer.subject) == C
    listed = referrer.descriptor
    assert (listed.media_type, listed.digest, listed.size) == (
        OCI_MANIFEST,
        Digest.of(IMAGE),
        len(IMAGE),
    )
    assert listed.artifact_type == "application/vnd.oci.image.config.v1+json"
    assert listed.annotations == {"com.example.key1": "value1", "é": "üü"}


def test_the_artifact_type_of_an_image_comes_before_its_configs() -> None:
    document = {**json.loads(IMAGE), "artifactType": "application/x"}
    assert found(document).descriptor.artifact_type == "application/x"
    document = {**json.loads(IMAGE), "artifactType": ""}
    assert (found(document).descriptor.artifact_type or "").endswith("config.v1+json")


def test_an_artifact_manifest_is_listed_with_its_type() -> None:
    listed = found(ARTIFACT).descriptor
    assert listed.media_type == OCI_ARTIFACT
    assert listed.artifact_type == "application/vnd.example.sbom"


def test_an_index_without_an_artifact_type_is_listed_without_one() -> None:
    listed = found({**json.loads(INDEX), "subject": SUBJECT}).descriptor
    assert listed.media_type == OCI_INDEX
    assert listed.artifact_type is None


@pytest.mark.parametrize(
    "payload", [INDEX, DOCKER, DOCKER_LIST, b"{}", b"[]", b"", b"\xff", b"[" * 9999]
)
def test_what_has_no_subject_is_no_referrer(payload: bytes) -> None:
    assert find(payload) is None


def test_a_docker_manifest_cannot_have_a_subject() -> None:
    assert find({**json.loads(DOCKER), "subject": SUBJECT}) is None


@pytest.mark.parametrize(
    "subject", [None, 1, "x", [], {}, {"digest": 1}, {"digest": ""}, {"digest": "md5:a"}]
)
def test_a_subject_that_names_nothing_is_none(subject: object) -> None:
    assert find({"subject": subject}) is None


def test_members_that_are_not_of_their_type_count_as_missing() -> None:
    listed = found(
        {
            "subject": {"digest": A},
            "artifactType": 1,
            "config": [],
            "annotations": {"a": 1, "b": "kept"},
        }
    ).descriptor
    assert listed.artifact_type is None
    assert listed.annotations == {"b": "kept"}
    listed = found(
        {"subject": {"digest": A}, "config": {"mediaType": 1}, "annotations": 2}
    ).descriptor
    assert listed.artifact_type is None
    assert listed.annotations is None
