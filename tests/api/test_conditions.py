"""Conditional requests, as RFC 9110 has them, and the headers of pulled blobs."""

import pytest

from tests.api.content import Repository, digest_of

__all__: list[str] = []

BLOB = b"0123456789"
DIGEST = digest_of(BLOB)
OTHER = digest_of(b"other")

MATCHING = [
    f'"{DIGEST}"',
    DIGEST,
    "*",
    f'"{OTHER}", "{DIGEST}"',
    f'"{OTHER}","{DIGEST}" , "x"',
]
WEAK = f'W/"{DIGEST}"'
NOT_MATCHING = [f'"{OTHER}"', OTHER, '""', "", DIGEST[:-1], f'"{OTHER}", "x"']


@pytest.fixture
def blob(repository: Repository) -> str:
    """Where a blob of ten digits is."""
    return f"{repository.url}/blobs/{repository.push_blob(BLOB)}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("etags", [*MATCHING, WEAK])
def test_a_blob_that_is_known_is_not_sent_again(
    repository: Repository, blob: str, method: str, etags: str
) -> None:
    answer = repository.wire.ask(method, blob, headers={"If-None-Match": etags})
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == f'"{DIGEST}"'
    assert answer.headers["docker-content-digest"] == DIGEST
    assert answer.headers["cache-control"] == "max-age=31536000"
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("etags", NOT_MATCHING)
def test_a_blob_that_is_not_known_is_sent(
    repository: Repository, blob: str, method: str, etags: str
) -> None:
    answer = repository.wire.ask(method, blob, headers={"If-None-Match": etags})
    assert answer.status == 200
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "max-age=31536000"
    assert answer.headers["etag"] == f'"{DIGEST}"'


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("etags", MATCHING)
def test_a_precondition_that_holds_changes_nothing(
    repository: Repository, blob: str, method: str, etags: str
) -> None:
    assert repository.wire.ask(method, blob, headers={"If-Match": etags}).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("etags", [*NOT_MATCHING, WEAK])
def test_a_precondition_that_fails_is_told(
    repository: Repository, blob: str, method: str, etags: str
) -> None:
    """If-Match compares strongly: a weak tag never satisfies it."""
    answer = repository.wire.ask(method, blob, headers={"If-Match": etags})
    assert answer.status == 412
    if method == "GET":
        assert answer.errors[0]["detail"]["etag"] == f'"{DIGEST}"'
    else:
        assert answer.body == b""


def test_if_match_counts_before_if_none_match(repository: Repository, blob: str) -> None:
    headers = {"If-Match": f'"{OTHER}"', "If-None-Match": f'"{DIGEST}"'}
    assert repository.wire.ask("GET", blob, headers=headers).status == 412


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        (f'"{DIGEST}"', 206),
        (WEAK, 200),
        (f'"{OTHER}"', 200),
        ("Tue, 24 Nov 2026 00:00:00 GMT", 200),
    ],
)
def test_a_range_is_for_the_content_that_if_range_names(
    repository: Repository, blob: str, if_range: str, status: int
) -> None:
    answer = repository.wire.get(blob, Range="bytes=2-4", If_Range=if_range)
    assert answer.status == status
    assert answer.body == (b"234" if status == 206 else BLOB)


def test_a_condition_counts_before_the_range(repository: Repository, blob: str) -> None:
    answer = repository.wire.get(blob, Range="bytes=2-4", If_None_Match=f'"{DIGEST}"')
    assert answer.status == 304


def test_head_passes_over_the_range(repository: Repository, blob: str) -> None:
    """RFC 9110, 14.2: Range is defined for GET alone."""
    answer = repository.wire.head(blob, Range="bytes=2-4")
    assert (answer.status, answer.headers["content-length"]) == (200, "10")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_condition_says_nothing_of_what_is_not_there(repository: Repository, method: str) -> None:
    for kind in ("blobs", "manifests"):
        target = f"{repository.url}/{kind}/{OTHER}"
        headers = {"If-None-Match": f'"{OTHER}"'}
        assert repository.wire.ask(method, target, headers=headers).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("reference", ["tag", "digest"])
def test_a_manifest_that_is_known_is_not_sent_again(
    repository: Repository, method: str, reference: str
) -> None:
    payload = repository.push_image("tag")
    digest = digest_of(payload)
    target = f"{repository.url}/manifests/{reference if reference == 'tag' else digest}"
    for etags, status in (
        (f'"{digest}"', 304),
        (digest, 304),
        (f'W/"{digest}"', 304),
        (f'"{OTHER}", "{digest}"', 304),
        ("*", 304),
        (f'"{OTHER}"', 200),
    ):
        answer = repository.wire.ask(method, target, headers={"If-None-Match": etags})
        assert answer.status == status
        assert answer.headers["docker-content-digest"] == digest
        assert answer.headers["etag"] == f'"{digest}"'
        assert (answer.body == payload) == (status == 200 and method == "GET")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html", None])
def test_a_manifest_is_served_whatever_is_accepted(
    repository: Repository, accept: str | None
) -> None:
    payload = repository.push_image("tag")
    headers = {} if accept is None else {"Accept": accept}
    answer = repository.wire.ask("GET", f"{repository.url}/manifests/tag", headers=headers)
    assert (answer.status, answer.body) == (200, payload)
