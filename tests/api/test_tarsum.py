"""Layers by tarsum over HTTP: pushed, pulled, refused, and found in a store of that time."""

from pathlib import Path
from urllib.parse import quote

import pytest

from core.digest import Digest, get_algorithm
from tests.api.content import Repository, digest_of, image
from tests.api.stored import upload_files
from tests.api.wire import Wire, add_query
from tests.digest.tarsum.archives import END, entry

__all__: list[str] = []

ARCHIVE = entry(b"a.txt", b"hello\n") + END
TARSUM = "tarsum.v1+sha256:9cc6f97c6d28b3d02011cde70ea30b3f72c50f8fcf948f1de3e0e314c73755bd"
"""What the library of the time gave for an archive with this file alone."""

V0_TARSUM = "tarsum+sha256:4fad87bc4229520e1dd8c2a2c4a7e51c4aa35e4de0a40794084a40b7f7c28977"


def put_as_of_old(store: Path, name: str, archive: bytes) -> str:
    """Store an archive as the registries of the time did; return its digest."""
    digest = Digest.of(archive, get_algorithm("tarsum.v1+sha256"))
    root, encoded = store / "docker/registry/v2", digest.encoded
    data = root / "blobs/tarsum/v1/sha256" / encoded[:2] / encoded / "data"
    link = root / "repositories" / name / "_layers/tarsum/v1/sha256" / encoded / "link"
    for path, content in ((data, archive), (link, str(digest).encode())):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    return str(digest)


def push_in_post(repository: Repository, query: str) -> str:
    return f"POST {repository.url}/blobs/uploads/?{query}"


def push_in_put(repository: Repository, query: str) -> str:
    return f"PUT {repository.start()}&{query}"


PUSHES = pytest.mark.parametrize("push", [push_in_post, push_in_put])


@PUSHES
@pytest.mark.parametrize("digest", [TARSUM, V0_TARSUM, quote(TARSUM, safe="")])
def test_a_push_by_tarsum_is_answered_with_the_digest_of_the_bytes(
    repository: Repository, push: object, digest: str
) -> None:
    assert callable(push)
    method, _, target = push(repository, f"digest={digest}").partition(" ")
    created = repository.wire.ask(method, target, ARCHIVE)
    assert created.status == 201, created
    assert created.headers["docker-content-digest"] == digest_of(ARCHIVE)
    assert created.headers["location"] == f"{repository.url}/blobs/{digest_of(ARCHIVE)}"
    assert repository.wire.ask("GET", created.headers["location"]).body == ARCHIVE
    assert repository.wire.ask("GET", f"{repository.url}/blobs/{digest}").body == ARCHIVE


def test_a_layer_by_tarsum_is_pulled_whole_in_ranges_and_on_conditions(
    repository: Repository,
) -> None:
    method, _, target = push_in_post(repository, f"digest={TARSUM}").partition(" ")
    repository.wire.ask(method, target, ARCHIVE)
    url, etag = f"{repository.url}/blobs/{TARSUM}", f'"{digest_of(ARCHIVE)}"'
    asked = repository.wire.ask("HEAD", url)
    assert (asked.status, asked.headers["content-length"]) == (200, str(len(ARCHIVE)))
    for answer in (asked, repository.wire.ask("GET", url)):
        assert answer.headers["etag"] == etag
        assert answer.headers["docker-content-digest"] == digest_of(ARCHIVE)
    ranged = repository.wire.ask("GET", url, headers={"Range": "bytes=512-517", "If-Range": etag})
    assert (ranged.status, ranged.body) == (206, b"hello\n")
    assert ranged.headers["docker-content-digest"] == digest_of(ARCHIVE)
    assert repository.wire.ask("GET", url, headers={"If-None-Match": etag}).status == 304
    assert repository.wire.ask("GET", url, headers={"If-Match": f'"{TARSUM}"'}).status == 412


def test_a_layer_of_that_time_is_pulled_mounted_and_deleted_by_its_tarsum(
    repository: Repository, wire: Wire, store: Path
) -> None:
    archive = entry(b"old", repository.name.encode()) + END
    digest = put_as_of_old(store, repository.name, archive)
    url = f"{repository.url}/blobs/{digest}"
    pulled = wire.ask("GET", url)
    assert (pulled.status, pulled.body) == (200, archive)
    assert pulled.headers["docker-content-digest"] == digest
    assert pulled.headers["etag"] == f'"{digest}"'
    ranged = wire.ask("GET", url, headers={"Range": "bytes=0-2", "If-Range": f'"{digest}"'})
    assert (ranged.status, ranged.body) == (206, b"old")
    other = f"/v2/{repository.name}-2"
    query = {"mount": digest, "from": repository.name}
    mounted = wire.ask("POST", add_query(f"{other}/blobs/uploads/", **query))
    assert (mounted.status, mounted.headers["docker-content-digest"]) == (201, digest)
    assert wire.ask("DELETE", url).status == 202
    assert wire.ask("GET", url).assert_error(404, "BLOB_UNKNOWN")["digest"] == digest
    assert wire.ask("GET", f"{other}/blobs/{digest}").body == archive


# Errors.

BAD = [
    (b"x" * 600, "checksum"),
    (b"\x1f\x8b\x08" + b"x" * 600, "gzip"),
    (b"{}", "inside a header"),
    (ARCHIVE[:515], "inside the content"),
    (entry(b"other") + END, "another digest"),
]


@PUSHES
@pytest.mark.parametrize(("content", "reason"), BAD)
def test_content_without_this_tarsum_is_refused_and_the_reason_told(
    repository: Repository, store: Path, push: object, content: bytes, reason: str
) -> None:
    assert callable(push)
    method, _, target = push(repository, f"digest={TARSUM}").partition(" ")
    detail = repository.wire.ask(method, target, content).assert_error(400, "DIGEST_INVALID")
    assert reason in detail["reason"]
    assert detail["digest"] == TARSUM
    # What is cut may be gone on with; everything else is over.
    goes_on = method == "PUT" and "inside" in reason
    assert bool(upload_files(store, repository.name)) == goes_on
    if method == "PUT":
        again = repository.wire.ask("PUT", target, ARCHIVE)
        assert again.status == (201 if goes_on else 404)


@pytest.mark.parametrize(
    ("digest", "reason"),
    [
        (TARSUM.replace(".v1", ".dev"), "for development"),
        (TARSUM.replace(".v1", ".v2"), "unsupported digest algorithm"),
        (TARSUM.replace("sha256", "sha3"), "unsupported digest algorithm"),
        (TARSUM.upper().replace("TARSUM.V1+SHA256", "tarsum.v1+sha256"), "encoded part"),
        (TARSUM[:-1], "encoded part"),
        (TARSUM + "g", "encoded part"),
    ],
)
def test_a_tarsum_that_cannot_be_used_is_refused_and_the_upload_goes_on(
    repository: Repository, digest: str, reason: str
) -> None:
    location = repository.start()
    detail = repository.wire.ask("PUT", add_query(location, digest=digest), ARCHIVE).assert_error(
        400, "DIGEST_INVALID"
    )
    assert reason in detail["reason"]
    for target in (f"{repository.url}/blobs/{digest}", f"/v2/{repository.name}/referrers/{digest}"):
        repository.wire.ask("GET", target).assert_error(400, "DIGEST_INVALID")
    assert repository.wire.ask("PUT", add_query(location, digest=TARSUM), ARCHIVE).status == 201


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_manifest_has_no_tarsum(repository: Repository, method: str) -> None:
    url = f"{repository.url}/manifests/{TARSUM}"
    detail = repository.wire.ask(method, url, b"" if method == "GET" else b"{}").assert_error(
        400, "DIGEST_INVALID"
    )
    assert "names a layer" in detail["reason"]


def test_an_image_of_today_names_no_layer_by_tarsum(repository: Repository) -> None:
    layer = {"mediaType": "application/x", "digest": TARSUM, "size": len(ARCHIVE)}
    answer = repository.wire.ask("PUT", f"{repository.url}/manifests/latest", image([layer]))
    assert answer.assert_error(400, "DIGEST_INVALID")["field"] == "layers[0].digest"
