"""Ping, and what a repository that holds nothing answers."""

import pytest

from tests.api.content import INDEX_TYPE, Repository, digest_of

__all__: list[str] = []


@pytest.mark.parametrize("path", ["/v2/", "/v2"])
def test_the_api_says_that_it_is_there(repository: Repository, path: str) -> None:
    """Spec: "Determining Support" (end-1)."""
    answer = repository.wire.get(path)
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == "2"
    head = repository.wire.head(path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "2")


def test_a_fresh_repository_has_no_tags(repository: Repository) -> None:
    """Spec: "Listing Tags" (end-8a): 404 where the name is not known."""
    detail = repository.wire.get(f"{repository.url}/tags/list").assert_error(404, "NAME_UNKNOWN")
    assert detail == {"name": repository.name}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_fresh_repository_has_an_empty_index_of_referrers(
    repository: Repository, algorithm: str
) -> None:
    """Spec: "Listing Referrers" (end-12a): an empty index, and never 404."""
    digest = digest_of(repository.name.encode(), algorithm)
    answer = repository.wire.get(f"{repository.url}/referrers/{digest}")
    assert answer.status == 200
    assert answer.headers["content-type"] == INDEX_TYPE
    assert answer.json() == {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": []}


@pytest.mark.parametrize("reference", ["unknown", digest_of(b"unknown")])
def test_a_missing_manifest_is_not_found(repository: Repository, reference: str) -> None:
    """Spec: "Pulling manifests" (end-3): 404 if the manifest is not found."""
    target = f"{repository.url}/manifests/{reference}"
    detail = repository.wire.get(target).assert_error(404, "MANIFEST_UNKNOWN")
    assert detail == {"name": repository.name, "reference": reference}
    head = repository.wire.head(target)
    assert (head.status, head.body) == (404, b"")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_missing_blob_is_not_found(repository: Repository, algorithm: str) -> None:
    """Spec: "Pulling blobs" (end-2): 404 if the blob is not found."""
    digest = digest_of(b"unknown", algorithm)
    target = f"{repository.url}/blobs/{digest}"
    detail = repository.wire.get(target).assert_error(404, "BLOB_UNKNOWN")
    assert detail == {"name": repository.name, "digest": digest}
    assert repository.wire.head(target).status == 404
    repository.wire.delete(target).assert_error(404, "BLOB_UNKNOWN")
