"""Manifests with a subject, and how they are found by it."""

import json
from typing import Any

import pytest

from tests.api.content import (
    EMPTY_JSON,
    EMPTY_TYPE,
    INDEX_TYPE,
    MANIFEST_TYPE,
    Repository,
    describe,
    digest_of,
    image,
    index,
)
from tests.api.wire import Answer

__all__: list[str] = []

CONFIG_MEDIA_TYPE = "application/vnd.example.config+json"


def ask(repository: Repository, subject: str, query: str = "") -> Answer:
    """Ask for referrers, and check what every answer has in common."""
    answer = repository.wire.get(f"{repository.url}/referrers/{subject}{query}")
    assert answer.status == 200
    assert answer.headers["content-type"] == INDEX_TYPE
    document = answer.json()
    assert (document["schemaVersion"], document["mediaType"]) == (2, INDEX_TYPE)
    return answer


def find(repository: Repository, subject: str, query: str = "") -> dict[str, dict[str, Any]]:
    """Give the descriptors of the referrers by digest."""
    listed = ask(repository, subject, query).json()["manifests"]
    return {descriptor["digest"]: descriptor for descriptor in listed}


def push_referrer(repository: Repository, subject: bytes, payload: bytes, media_type: str) -> str:
    """Push a manifest with a subject."""
    answer = repository.put_manifest(payload, None, media_type)
    assert answer.status == 201, answer
    assert answer.headers["oci-subject"] == digest_of(subject)
    return answer.headers["docker-content-digest"]


def make_referrers(subject: bytes) -> list[tuple[bytes, str, dict[str, Any]]]:
    """Give manifests of each kind about `subject`, and what their descriptors say."""
    about = describe(subject, MANIFEST_TYPE)
    annotations = {"org.example.title": "a & b", "empty": ""}
    config = describe(EMPTY_JSON, CONFIG_MEDIA_TYPE)
    return [
        (
            image(artifactType="application/vnd.a", subject=about, annotations=annotations),
            MANIFEST_TYPE,
            {"artifactType": "application/vnd.a", "annotations": annotations},
        ),
        (image(config=config, subject=about), MANIFEST_TYPE, {"artifactType": CONFIG_MEDIA_TYPE}),
        (
            index(artifactType="application/vnd.b", subject=about),
            INDEX_TYPE,
            {"artifactType": "application/vnd.b"},
        ),
        (index(subject=about), INDEX_TYPE, {}),
    ]


@pytest.mark.parametrize("order", ["subject first", "subject last", "subject never"])
def test_every_referrer_is_listed_with_what_it_says_of_itself(
    repository: Repository, order: str
) -> None:
    """Spec: "Pushing Manifests with Subject" (OCI-Subject), "Listing Referrers" (end-12a)."""
    repository.push_blob(EMPTY_JSON)
    subject = image(annotations={"for": repository.name})
    if order == "subject first":
        repository.push_manifest(subject)
    referrers = make_referrers(subject)
    expected = {}
    for payload, media_type, members in referrers:
        digest = push_referrer(repository, subject, payload, media_type)
        expected[digest] = describe(payload, media_type) | members
        assert find(repository, digest_of(subject)) == expected
    if order == "subject last":
        repository.push_manifest(subject)
    assert find(repository, digest_of(subject)) == expected
    for digest in list(expected):
        assert repository.wire.delete(f"{repository.url}/manifests/{digest}").status == 202
        del expected[digest]
        assert find(repository, digest_of(subject)) == expected


def test_children_of_an_index_may_have_subjects_of_their_own(repository: Repository) -> None:
    """Spec: "Pushing Manifests with Subject": images and indexes alike."""
    repository.push_blob(EMPTY_JSON)
    subject = image(annotations={"for": repository.name})
    about = describe(subject, MANIFEST_TYPE)
    child = image(artifactType="application/vnd.child", subject=about)
    push_referrer(repository, subject, child, MANIFEST_TYPE)
    parent = index([describe(child, MANIFEST_TYPE)], subject=about)
    push_referrer(repository, subject, parent, INDEX_TYPE)
    assert set(find(repository, digest_of(subject))) == {digest_of(child), digest_of(parent)}


@pytest.mark.parametrize(
    ("artifact_type", "places"),
    [
        ("application/vnd.a", {0}),
        (CONFIG_MEDIA_TYPE, {1}),
        ("application/vnd.b", {2}),
        ("no/one", {}),
    ],
)
def test_referrers_are_filtered_by_their_artifact_type(
    repository: Repository, artifact_type: str, places: set[int]
) -> None:
    """Spec: "Listing Referrers" (end-12b): `artifactType` and OCI-Filters-Applied."""
    repository.push_blob(EMPTY_JSON)
    subject = image(annotations={"for": repository.name})
    digests = [
        push_referrer(repository, subject, payload, media_type)
        for payload, media_type, _ in make_referrers(subject)
    ]
    query = f"?artifactType={artifact_type.replace('+', '%2B')}"
    answer = ask(repository, digest_of(subject), query)
    assert answer.headers["oci-filters-applied"] == "artifactType"
    found = {descriptor["digest"] for descriptor in answer.json()["manifests"]}
    assert found == {digests[place] for place in places}
    assert "oci-filters-applied" not in ask(repository, digest_of(subject)).headers


def test_a_subject_may_have_a_sha512_digest(repository: Repository) -> None:
    """Spec: "Listing Referrers" (end-12a), with a digest of another algorithm."""
    repository.push_blob(EMPTY_JSON)
    subject = image(annotations={"for": repository.name})
    digest = digest_of(subject, "sha512")
    repository.push_manifest(subject, digest)
    about = describe(subject, MANIFEST_TYPE, algorithm="sha512")
    payload = image(subject=about, artifactType=EMPTY_TYPE)
    reference = digest_of(payload, "sha512")
    answer = repository.put_manifest(payload, reference)
    assert (answer.status, answer.headers["oci-subject"]) == (201, digest)
    assert list(find(repository, digest)) == [reference]
    assert find(repository, digest_of(subject)) == {}


def test_referrers_of_another_repository_are_not_listed(repository: Repository) -> None:
    """Spec: "Listing Referrers" (end-12a): those of this repository."""
    other = Repository(repository.wire, f"{repository.name}-other")
    subject = repository.push_image(annotations={"for": repository.name})
    other.push_blob(EMPTY_JSON)
    other.push_manifest(image(subject=describe(subject, MANIFEST_TYPE)))
    assert find(repository, digest_of(subject)) == {}
    assert len(find(other, digest_of(subject))) == 1


def test_a_list_of_referrers_comes_in_pages(repository: Repository) -> None:
    """Spec: "Listing Referrers" (end-12a): Link to the next page, the filter with it."""
    repository.push_blob(EMPTY_JSON)
    subject = image(annotations={"for": repository.name})
    about = describe(subject, MANIFEST_TYPE)
    pushed = set()
    for number in range(5):
        payload = image(subject=about, artifactType="a/b", annotations={"n": str(number)})
        pushed.add(push_referrer(repository, subject, payload, MANIFEST_TYPE))
    found: list[str] = []
    target: str | None = f"{repository.url}/referrers/{digest_of(subject)}?artifactType=a/b&n=2"
    pages = 0
    while target is not None:
        answer = repository.wire.get(target)
        assert answer.headers["oci-filters-applied"] == "artifactType"
        found += [descriptor["digest"] for descriptor in json.loads(answer.body)["manifests"]]
        link = answer.headers.get("link")
        target = link.partition(">")[0].strip("<") if link else None
        pages += 1
    assert (pages, set(found), len(found)) == (3, pushed, 5)


@pytest.mark.parametrize("digest", ["sha256:bad", "latest", "md5:d41d8cd98f00b204e9800998ecf8427e"])
def test_referrers_of_what_is_no_digest_are_refused(repository: Repository, digest: str) -> None:
    """Spec: "Listing Referrers": 400 for an invalid digest."""
    answer = repository.wire.get(f"{repository.url}/referrers/{digest}")
    assert answer.assert_error(400, "DIGEST_INVALID")["digest"] in (digest, "md5")
