"""Chunks that come out of order, and what an upload says of itself."""

import pytest

from tests.api.content import Repository, digest_of
from tests.api.wire import Answer, add_query

__all__: list[str] = []

CHUNK = 1024
BLOB = (bytes(range(256)) * 12)[: 3 * CHUNK - 5]
STARTS = range(0, len(BLOB), CHUNK)


def send(repository: Repository, method: str, target: str, start: int) -> Answer:
    """Send the chunk of the blob that starts there."""
    chunk = BLOB[start : start + CHUNK]
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Range": f"{start}-{start + len(chunk) - 1}",
    }
    return repository.wire.ask(method, target, chunk, headers)


def assert_refused_and_intact(repository: Repository, refused: Answer, target: str, at: int) -> str:
    """Make sure that a chunk was refused and the upload goes on; give its Location."""
    refused.assert_error(416, "RANGE_INVALID")
    assert refused.headers["range"] == f"0-{max(at - 1, 0)}"
    status = repository.wire.get(target)
    assert (status.status, status.body) == (204, b"")
    assert "content-length" not in status.headers
    assert status.headers["range"] == f"0-{max(at - 1, 0)}"
    assert refused.headers["location"] == status.headers["location"]
    return status.headers["location"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("last", ["PATCH", "PUT"])
def test_chunks_out_of_order_are_refused_and_the_upload_goes_on(
    repository: Repository, last: str, algorithm: str
) -> None:
    """Spec: "Pushing a blob in chunks" (end-5, end-6, end-13): 416, then GET says 204.

    Before each good chunk a wrong one is sent: one that is ahead, or the first one again.
    """
    digest = digest_of(BLOB, algorithm)
    location = repository.start()
    for start in STARTS:
        wrong = 0 if start else CHUNK
        is_last = start + CHUNK >= len(BLOB)
        method = last if is_last else "PATCH"
        target = add_query(location, digest=digest) if method == "PUT" else location
        refused = send(repository, method, target, wrong)
        location = assert_refused_and_intact(repository, refused, target, start)
        target = add_query(location, digest=digest) if method == "PUT" else location
        answer = send(repository, method, target, start)
        assert answer.status == (201 if method == "PUT" else 202)
        location = answer.headers["location"]
    if last == "PATCH":
        answer = repository.wire.ask("PUT", add_query(location, digest=digest))
        assert answer.status == 201
    assert repository.wire.get(f"{repository.url}/blobs/{digest}").body == BLOB


def test_a_chunk_to_an_outdated_location_is_refused(repository: Repository) -> None:
    """Spec: "Pushing a blob in chunks" (end-5): the Location of the preceding answer is used."""
    first = repository.start()
    assert send(repository, "PATCH", first, 0).status == 202
    for headers in ({}, {"Content-Range": f"{CHUNK}-{CHUNK}"}):
        refused = repository.wire.ask("PATCH", first, b"x", headers)
        assert_refused_and_intact(repository, refused, first, CHUNK)


def test_an_upload_tells_how_much_has_come(repository: Repository) -> None:
    """Spec: "Pushing a blob in chunks" (end-13); `0-0` before anything has come."""
    location = repository.start()
    upload_id = location.partition("?")[0].rpartition("/")[2]
    for length in (0, 1, 5):
        answer = repository.wire.ask("PATCH", location, b"x" * length)
        location = answer.headers["location"]
    for method in ("GET", "HEAD"):
        status = repository.wire.ask(method, location)
        assert status.status == 204
        assert status.headers["range"] == "0-5"
        assert status.headers["location"] == location
        assert status.headers["docker-upload-uuid"] == upload_id


def test_an_empty_chunk_changes_nothing(repository: Repository) -> None:
    """Spec: "Pushing a blob in chunks" (end-5)."""
    answer = repository.wire.ask("PATCH", repository.start(), b"")
    assert (answer.status, answer.headers["range"]) == (202, "0-0")
