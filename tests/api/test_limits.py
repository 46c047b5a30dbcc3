"""What settings forbid: deleting, large manifests, and many tags at once."""

from collections.abc import Iterator

import pytest

from tests.api.content import EMPTY_JSON, MANIFEST_TYPE, Repository, digest_of, image
from tests.api.wire import Wire
from tests.live import running_registry

__all__: list[str] = []

MAX_BYTES = 2048


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A registry that forbids what can be forbidden."""
    with running_registry(
        tmp_path_factory.mktemp("strict"),
        MOORAGE_DELETE__ENABLED="false",
        MOORAGE_MANIFESTS__MAX_BYTES=str(MAX_BYTES),
        MOORAGE_MANIFESTS__MAX_TAGS_PER_PUSH="2",
    ) as service:
        yield Wire(service)


def padded_image(size: int) -> bytes:
    """Give an image manifest of exactly that many bytes."""
    payload = image()
    return payload + b" " * (size - len(payload))


def test_deleting_is_refused_where_it_is_switched_off(strict: Wire) -> None:
    repository = Repository(strict, "kept")
    payload = repository.push_image("tag")
    digests = {"manifests": digest_of(payload), "blobs": digest_of(EMPTY_JSON)}
    for target, allow in (
        (f"{repository.url}/manifests/tag", "GET, HEAD, PUT"),
        (f"{repository.url}/manifests/{digests['manifests']}", "GET, HEAD, PUT"),
        (f"{repository.url}/blobs/{digests['blobs']}", "GET, HEAD"),
    ):
        answer = strict.delete(target)
        assert "delete.enabled" in answer.assert_error(405, "UNSUPPORTED")["reason"]
        assert answer.headers["allow"] == allow
        assert strict.head(target).status == 200


def test_an_upload_is_cancelled_even_where_deleting_is_switched_off(strict: Wire) -> None:
    assert strict.delete(Repository(strict, "kept/not").start()).status == 204


def test_a_manifest_of_the_largest_size_is_taken(strict: Wire) -> None:
    repository = Repository(strict, "large")
    repository.push_blob(EMPTY_JSON)
    repository.push_manifest(padded_image(MAX_BYTES), "tag")


@pytest.mark.parametrize("framing", ["announced", "chunked"])
def test_a_manifest_over_the_largest_size_is_refused(strict: Wire, framing: str) -> None:
    """Spec: "Pushing Manifests": 413 for a manifest that is too large."""
    repository = Repository(strict, f"too/large/{framing}")
    repository.push_blob(EMPTY_JSON)
    payload = padded_image(MAX_BYTES + 1)
    body = payload if framing == "announced" else iter([payload[:9], payload[9:]])
    answer = strict.ask(
        "PUT", f"{repository.url}/manifests/tag", body, {"Content-Type": MANIFEST_TYPE}
    )
    assert answer.assert_error(413, "MANIFEST_INVALID") == {"limit": MAX_BYTES}
    assert strict.head(f"{repository.url}/manifests/tag").status == 404


def test_more_tags_than_allowed_are_refused_together(strict: Wire) -> None:
    """Spec, development head: "Pushing Manifests" (end-7b): 414 for too many tags."""
    repository = Repository(strict, "tags")
    repository.push_blob(EMPTY_JSON)
    payload = image()
    target = f"{repository.url}/manifests/{digest_of(payload)}"
    headers = {"Content-Type": MANIFEST_TYPE}
    answer = strict.ask("PUT", f"{target}?tag=a&tag=b&tag=c", payload, headers)
    assert answer.assert_error(414, "TAG_INVALID") == {"limit": 2}
    assert strict.head(target).status == 404
    assert strict.ask("PUT", f"{target}?tag=a&tag=b", payload, headers).status == 201
