"""Every way to push a blob, and what can be done with it then."""

from collections.abc import Callable

import pytest

from tests.api.content import Repository, digest_of
from tests.api.wire import Answer, Wire, add_query

__all__: list[str] = []

CHUNK = 1024
BLOB = bytes(range(256)) * 12
BLOB = BLOB[: 3 * CHUNK - 5]
CONTENTS = {"blob": BLOB, "empty": b"", "empty JSON": b"{}"}

Push = Callable[[Repository, bytes, str], Answer]


def push_in_post(repository: Repository, content: bytes, digest: str) -> Answer:
    """Spec: "Single POST" (end-4b)."""
    target = add_query(f"{repository.url}/blobs/uploads/", digest=digest)
    return repository.wire.ask("POST", target, content)


def push_in_put(repository: Repository, content: bytes, digest: str) -> Answer:
    """Spec: "POST then PUT" (end-4a, end-6)."""
    return repository.wire.ask("PUT", add_query(repository.start(), digest=digest), content)


def push_in_one_chunk(repository: Repository, content: bytes, digest: str) -> Answer:
    """Spec: "Pushing a blob in chunks" (end-5, end-6)."""
    location = patch(repository, repository.start(), content, 0)
    return repository.wire.ask("PUT", add_query(location, digest=digest))


def push_in_chunks(repository: Repository, content: bytes, digest: str) -> Answer:
    """Spec: "Pushing a blob in chunks" (end-5, end-6), all chunks by PATCH."""
    location = repository.start()
    for start in range(0, max(len(content), 1), CHUNK):
        location = patch(repository, location, content[start : start + CHUNK], start)
    return repository.wire.ask("PUT", add_query(location, digest=digest))


def push_in_chunks_and_put(repository: Repository, content: bytes, digest: str) -> Answer:
    """Spec: "Pushing a blob in chunks" (end-5, end-6), the last chunk by PUT."""
    location = repository.start()
    last = max(len(content) - 1, 0) // CHUNK * CHUNK
    for start in range(0, last, CHUNK):
        location = patch(repository, location, content[start : start + CHUNK], start)
    headers = {"Content-Range": f"{last}-{len(content) - 1}"} if content[last:] else {}
    return repository.wire.ask(
        "PUT",
        add_query(location, digest=digest),
        content[last:],
        {**headers, "Content-Type": "application/octet-stream"},
    )


def push_in_a_stream(repository: Repository, content: bytes, digest: str) -> Answer:
    """Spec: "Pushing a blob in chunks" (end-5): without a length or range."""
    pieces = iter([content[:7], content[7:]])
    answer = repository.wire.ask("PATCH", repository.start(), filter(None, pieces))
    assert answer.status == 202
    return repository.wire.ask("PUT", add_query(answer.headers["location"], digest=digest))


def patch(repository: Repository, location: str, chunk: bytes, start: int) -> str:
    """Send one chunk, and give where the next one goes."""
    headers = {"Content-Type": "application/octet-stream"}
    if chunk:
        headers["Content-Range"] = f"{start}-{start + len(chunk) - 1}"
    answer = repository.wire.ask("PATCH", location, chunk, headers)
    assert answer.status == 202, answer
    assert answer.headers["content-length"] == "0"
    assert answer.headers["range"] == f"0-{max(start + len(chunk) - 1, 0)}"
    return answer.headers["location"]


PUSHES = [
    push_in_post,
    push_in_put,
    push_in_one_chunk,
    push_in_chunks,
    push_in_chunks_and_put,
    push_in_a_stream,
]
_EACH_PUSH = pytest.mark.parametrize("push", PUSHES, ids=lambda push: push.__name__)
_EACH_ALGORITHM = pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])


def assert_served(wire: Wire, target: str, content: bytes, digest: str) -> None:
    """Make sure that GET and HEAD show the blob, with the headers that the suite compares.

    Spec: "Pulling blobs", "Checking if content exists in the registry" (end-2).
    """
    pulled = wire.get(target)
    assert (pulled.status, pulled.body) == (200, content)
    head = wire.head(target)
    assert (head.status, head.body) == (200, b"")
    for answer in (pulled, head):
        assert answer.headers["content-length"] == str(len(content))
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["docker-content-digest"] == digest


@_EACH_ALGORITHM
@pytest.mark.parametrize("content", CONTENTS.values(), ids=list(CONTENTS))
@_EACH_PUSH
def test_a_pushed_blob_is_served_and_deleted(
    repository: Repository, push: Push, content: bytes, algorithm: str
) -> None:
    """Spec: "Pushing blobs" (201 and a pullable Location), "Deleting Blobs" (end-10)."""
    digest = digest_of(content, algorithm)
    target = f"{repository.url}/blobs/{digest}"
    created = push(repository, content, digest)
    assert (created.status, created.body) == (201, b"")
    assert created.headers["content-length"] == "0"
    assert created.headers["docker-content-digest"] == digest
    assert created.headers["location"] == target
    assert_served(repository.wire, target, content, digest)

    deleted = repository.wire.delete(target)
    assert (deleted.status, deleted.body) == (202, b"")
    assert repository.wire.head(target).status == 404
    repository.wire.get(target).assert_error(404, "BLOB_UNKNOWN")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@_EACH_PUSH
def test_content_of_another_digest_is_refused(
    repository: Repository, push: Push, algorithm: str
) -> None:
    """Spec: "Pushing blobs": 400 where the digest does not match (code-4 or code-9)."""
    expected, actual = digest_of(b"other", algorithm), digest_of(BLOB, algorithm)
    detail = push(repository, BLOB, expected).assert_error(400, "DIGEST_INVALID")
    assert (detail["expected"], detail["actual"]) == (expected, actual)
    for digest in (expected, actual):
        assert repository.wire.head(f"{repository.url}/blobs/{digest}").status == 404


@pytest.mark.parametrize("hint", ["sha256", "sha384", "sha512"])
def test_the_hint_of_an_algorithm_binds_nobody(repository: Repository, hint: str) -> None:
    """Spec, development head: "Pushing blobs": `digest-algorithm` is a hint."""
    location = repository.start(**{"digest-algorithm": hint})
    for algorithm in ("sha256", "sha512"):
        digest = digest_of(BLOB, algorithm)
        location = repository.start(**{"digest-algorithm": hint})
        answer = repository.wire.ask("PUT", add_query(location, digest=digest), BLOB)
        assert (answer.status, answer.headers["docker-content-digest"]) == (201, digest)


@_EACH_ALGORITHM
def test_a_blob_is_mounted_from_another_repository(repository: Repository, algorithm: str) -> None:
    """Spec: "Mounting a blob from another repository" (end-11)."""
    source = Repository(repository.wire, f"{repository.name}-source")
    digest = source.push_blob(BLOB + algorithm.encode(), algorithm)
    target = f"{repository.url}/blobs/uploads/"
    answer = repository.wire.ask("POST", add_query(target, mount=digest, **{"from": source.name}))
    assert (answer.status, answer.headers["content-length"]) == (201, "0")
    assert answer.headers["docker-content-digest"] == digest
    assert answer.headers["location"] == f"{repository.url}/blobs/{digest}"
    assert_served(repository.wire, answer.headers["location"], BLOB + algorithm.encode(), digest)


@_EACH_ALGORITHM
def test_a_blob_is_mounted_from_wherever_it_is(repository: Repository, algorithm: str) -> None:
    """Spec: "Mounting a blob from another repository" (end-11): `from` may be left out."""
    source = Repository(repository.wire, f"{repository.name}-source")
    content = b"anonymous" + algorithm.encode()
    digest = source.push_blob(content, algorithm)
    answer = repository.wire.ask(
        "POST", add_query(f"{repository.url}/blobs/uploads/", mount=digest)
    )
    assert answer.status == 201
    assert_served(repository.wire, answer.headers["location"], content, digest)


@pytest.mark.parametrize("source", ["no/such-repository", "Not A Name", None])
def test_a_mount_that_cannot_be_done_begins_an_upload(
    repository: Repository, source: str | None
) -> None:
    """Spec: "Mounting a blob from another repository" (end-11): 202, and then a PUT."""
    content = f"mounted from {source}".encode()
    digest = digest_of(content)
    parameters = {"mount": digest} | ({} if source is None else {"from": source})
    location = repository.start(**parameters)
    answer = repository.wire.ask("PUT", add_query(location, digest=digest), content)
    assert answer.status == 201
    assert_served(repository.wire, answer.headers["location"], content, digest)


def test_a_mount_from_a_repository_without_the_blob_begins_an_upload(
    repository: Repository,
) -> None:
    """Spec: "Mounting a blob from another repository" (end-11)."""
    digest = Repository(repository.wire, f"{repository.name}-has").push_blob(b"elsewhere")
    other = Repository(repository.wire, f"{repository.name}-has-not")
    other.push_blob(b"something else")
    location = repository.start(mount=digest, **{"from": other.name})
    assert location.startswith(f"{repository.url}/blobs/uploads/")


def test_an_upload_is_cancelled(repository: Repository) -> None:
    """Spec, development head: "Cancel a blob upload" (end-14)."""
    location = patch(repository, repository.start(), BLOB, 0)
    answer = repository.wire.delete(location)
    assert (answer.status, answer.body) == (204, b"")
    repository.wire.get(location).assert_error(404, "BLOB_UPLOAD_UNKNOWN")
    repository.wire.delete(location).assert_error(404, "BLOB_UPLOAD_UNKNOWN")
    repository.wire.ask("PATCH", location, b"more").assert_error(404, "BLOB_UPLOAD_UNKNOWN")
    target = add_query(location, digest=digest_of(BLOB))
    repository.wire.ask("PUT", target).assert_error(404, "BLOB_UPLOAD_UNKNOWN")
