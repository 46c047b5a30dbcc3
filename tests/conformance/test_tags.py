"""The list of tags, its pages, and tags that are set by parameters."""

import pytest

from tests.api.content import EMPTY_JSON, MANIFEST_TYPE, Repository, digest_of, image
from tests.api.wire import Answer, add_query

__all__: list[str] = []


def put_with_tags(
    repository: Repository, payload: bytes, reference: str, tags: list[str]
) -> Answer:
    """PUT a manifest with `tag` parameters."""
    query = "&".join(f"tag={tag}" for tag in tags)
    return repository.wire.ask(
        "PUT",
        f"{repository.url}/manifests/{reference}?{query}",
        payload,
        {"Content-Type": MANIFEST_TYPE},
    )


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_tag_parameters_set_tags_that_point_to_the_digest_pushed(
    repository: Repository, algorithm: str
) -> None:
    """Spec, development head: "Pushing Manifests" (end-7b): at least ten tags, and OCI-Tag."""
    repository.push_blob(EMPTY_JSON)
    payload = image()
    digest = digest_of(payload, algorithm)
    tags = [f"tag-{number}" for number in range(12)]
    answer = put_with_tags(repository, payload, digest, tags)
    assert answer.status == 201
    assert answer.headers["oci-tag"].split(", ") == tags
    assert answer.headers["docker-content-digest"] == digest
    for tag in tags:
        head = repository.wire.head(f"{repository.url}/manifests/{tag}")
        assert (head.status, head.headers["docker-content-digest"]) == (200, digest)
    pulled = repository.wire.get(f"{repository.url}/manifests/tag-3")
    assert (pulled.body, pulled.headers["docker-content-digest"]) == (payload, digest)
    assert repository.wire.get(f"{repository.url}/tags/list").json()["tags"] == sorted(tags)


def test_a_push_without_tag_parameters_has_no_header_of_tags(repository: Repository) -> None:
    """Spec, development head: "Pushing Manifests" (end-7b)."""
    repository.push_blob(EMPTY_JSON)
    assert "oci-tag" not in repository.put_manifest(image(), "tag").headers


def test_one_tag_out_of_grammar_refuses_the_whole_push(repository: Repository) -> None:
    """Spec, development head: "Pushing Manifests" (end-7b)."""
    repository.push_blob(EMPTY_JSON)
    payload = image()
    answer = put_with_tags(repository, payload, digest_of(payload), ["good", "-bad"])
    assert answer.assert_error(400, "TAG_INVALID")["tag"] == "-bad"
    assert repository.wire.head(f"{repository.url}/manifests/good").status == 404
    assert repository.wire.head(f"{repository.url}/manifests/{digest_of(payload)}").status == 404


def test_tags_are_listed_in_byte_order_and_in_pages(repository: Repository) -> None:
    """Spec: "Listing Tags" (end-8a, end-8b): `n`, `last`, and Link to the next page."""
    repository.push_blob(EMPTY_JSON)
    payload = image()
    tags = ["1", "A", "B", "_x", "a", "a-1", "a.1"]
    assert put_with_tags(repository, payload, digest_of(payload), tags[::-1]).status == 201
    target = f"{repository.url}/tags/list"
    whole = repository.wire.get(target)
    assert whole.headers["content-type"] == "application/json"
    assert whole.json() == {"name": repository.name, "tags": tags}
    assert "link" not in whole.headers

    pages = []
    next_page: str | None = f"{target}?n=3"
    while next_page is not None:
        answer = repository.wire.get(next_page)
        pages.append(answer.json()["tags"])
        link = answer.headers.get("link")
        next_page = None
        if link is not None:
            location, _, relation = link.partition(";")
            assert relation.strip() == 'rel="next"'
            next_page = location.strip("<>")
    assert pages == [tags[:3], tags[3:6], tags[6:]]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"last": "a"}, ["b", "c"]),
        ({"last": "a", "n": "1"}, ["b"]),
        ({"last": "aa"}, ["b", "c"]),
        ({"last": "c"}, []),
        ({"last": "zzz"}, []),
        ({"n": "0"}, []),
        ({"n": "3"}, ["a", "b", "c"]),
    ],
)
def test_a_list_goes_on_behind_last(
    repository: Repository, parameters: dict[str, str], expected: list[str]
) -> None:
    """Spec: "Listing Tags" (end-8b): tags after `last`; `n` of zero is an empty list."""
    repository.push_blob(EMPTY_JSON)
    payload = image()
    assert put_with_tags(repository, payload, digest_of(payload), ["a", "b", "c"]).status == 201
    answer = repository.wire.get(add_query(f"{repository.url}/tags/list", **parameters))
    assert (answer.status, answer.json()["tags"]) == (200, expected)
    # No Link behind the last page, and none where no entry was asked for.
    assert ("link" in answer.headers) == (expected == ["b"])


def test_a_repository_without_tags_has_an_empty_list(repository: Repository) -> None:
    """Spec: "Listing Tags" (end-8a): 200 for a repository that is there."""
    repository.push_image()
    answer = repository.wire.get(f"{repository.url}/tags/list")
    assert (answer.status, answer.json()["tags"]) == (200, [])
