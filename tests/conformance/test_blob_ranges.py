"""Ranges of a blob, those of the suite first. Spec: "Pulling blobs" (end-2), RFC 9110, 14."""

import pytest

from tests.api.content import Repository

__all__: list[str] = []

BLOB = (bytes(range(256)) * 8)[:2048]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("500-1499", 500, 1499),
        ("500-", 500, 2047),
        ("-500", 1548, 2047),
        ("2000-5000", 2000, 2047),
        ("0-0", 0, 0),
        ("2047-2047", 2047, 2047),
        ("-2048", 0, 2047),
        ("-99999", 0, 2047),
    ],
)
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_range_is_served_exactly(
    repository: Repository, asked: str, start: int, end: int, algorithm: str
) -> None:
    """Spec: "Pulling blobs" (end-2): 206 with Content-Range and the length of the range."""
    digest = repository.push_blob(BLOB, algorithm)
    answer = repository.wire.get(f"{repository.url}/blobs/{digest}", Range=f"bytes={asked}")
    assert (answer.status, answer.body) == (206, BLOB[start : end + 1])
    assert answer.headers["content-length"] == str(end + 1 - start)
    assert answer.headers["content-range"] == f"bytes {start}-{end}/2048"
    assert answer.headers["docker-content-digest"] == digest


@pytest.mark.parametrize("asked", ["500-0", "5000-10000", "2048-", "-0", "-", "a-b", "--1", ""])
def test_a_range_that_selects_nothing_is_refused(repository: Repository, asked: str) -> None:
    """Spec: RFC 9110, 15.5.17: 416, with the length that there is."""
    digest = repository.push_blob(BLOB)
    answer = repository.wire.get(f"{repository.url}/blobs/{digest}", Range=f"bytes={asked}")
    answer.assert_error(416, "RANGE_INVALID")
    assert answer.headers["content-range"] == "bytes */2048"


@pytest.mark.parametrize("asked", ["lines=1-2", "bytes=0-1,5-6", "bytes", "none"])
def test_a_range_that_is_not_understood_is_passed_over(repository: Repository, asked: str) -> None:
    """Spec: RFC 9110, 14.2: an unknown unit is ignored, and so may be several ranges."""
    digest = repository.push_blob(BLOB)
    answer = repository.wire.get(f"{repository.url}/blobs/{digest}", Range=asked)
    assert (answer.status, answer.body) == (200, BLOB)


def test_every_range_of_an_empty_blob_is_the_whole(repository: Repository) -> None:
    """Spec: RFC 9110, 14.2: a server may ignore the Range header."""
    digest = repository.push_blob(b"")
    answer = repository.wire.get(f"{repository.url}/blobs/{digest}", Range="bytes=0-")
    assert (answer.status, answer.headers["content-length"]) == (200, "0")
