"""Bad input over HTTP: digests, sizes, chunks, names and tags."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.api.content import MANIFEST_TYPE, Repository, digest_of, image
from tests.api.stored import read_store
from tests.api.wire import Wire, add_query
from tests.live import wait_for_claim
from tests.service.running import read_answer

__all__: list[str] = []

BLOB = b"the content of a blob"
OTHER = digest_of(b"other")


@pytest.fixture
def unchanged(repository: Repository, store: Path) -> Iterator[None]:
    """Makes sure that the test, which starts with an image in the repository, changes no file."""
    repository.push_image("kept")
    before = read_store(store)
    yield
    assert read_store(store) == before


# Digests.


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("way", ["POST", "PUT", "PATCH and PUT"])
def test_content_of_another_digest_leaves_nothing(repository: Repository, way: str) -> None:
    target = f"{repository.url}/blobs/uploads/" if way == "POST" else repository.start()
    body = BLOB
    if way == "PATCH and PUT":
        target = repository.wire.ask("PATCH", target, BLOB).headers["location"]
        body = b""
    method = "POST" if way == "POST" else "PUT"
    answer = repository.wire.ask(method, add_query(target, digest=OTHER), body)
    detail = answer.assert_error(400, "DIGEST_INVALID")
    assert (detail["expected"], detail["actual"]) == (OTHER, digest_of(BLOB))


BAD_DIGESTS = {
    "nothing": "",
    "no colon": "sha256",
    "no encoding": "sha256:",
    "too short": "sha256:abc",
    "upper case": "sha256:" + "A" * 64,
    "of another length": "sha512:" + "a" * 64,
    "unsupported": "md5:d41d8cd98f00b204e9800998ecf8427e",
    "unknown": "blake3:" + "a" * 64,
    "traversal": "sha256:../../../../etc/passwd",
    "traversing algorithm": "../..:" + "a" * 64,
    "null": "sha256:\0" + "a" * 63,
    "new line": OTHER + "\n",
}


@pytest.mark.parametrize("bad", BAD_DIGESTS.values(), ids=list(BAD_DIGESTS))
def test_a_digest_that_is_none_is_refused_wherever_one_is_asked_for(
    repository: Repository, store: Path, bad: str
) -> None:
    location = repository.start()
    before = read_store(store)
    quoted = quote(bad, safe="")
    wire = repository.wire
    answers = [
        wire.ask("PUT", f"{location}&digest={quoted}", BLOB),
        wire.ask("POST", f"{repository.url}/blobs/uploads/?digest={quoted}", BLOB),
    ]
    if bad and "/" not in bad:
        paths = ("blobs", "referrers")
        answers += [wire.get(f"{repository.url}/{path}/{quoted}") for path in paths]
    for answer in answers:
        assert answer.assert_error(400, "DIGEST_INVALID")["digest"] == bad
    wire.ask("PUT", location.partition("?")[0], BLOB).assert_error(400, "DIGEST_INVALID")
    assert read_store(store) == before
    assert wire.get(location).headers["range"] == "0-0"


# Sizes, chunks, and other uploads.


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("content_range", ["0-4", "0-99"])
def test_a_chunk_of_another_length_than_its_range_is_refused(
    repository: Repository, store: Path, method: str, content_range: str
) -> None:
    location = repository.start()
    before = read_store(store)
    target = add_query(location, digest=digest_of(BLOB))
    answer = repository.wire.ask(method, target, BLOB, {"Content-Range": content_range})
    detail = answer.assert_error(400, "SIZE_INVALID")
    assert (detail["expected"], detail["actual"]) == (int(content_range[2:]) + 1, len(BLOB))
    assert read_store(store) == before


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_stream_longer_than_its_range_is_not_published(
    repository: Repository, method: str
) -> None:
    target = add_query(repository.start(), digest=digest_of(BLOB))
    headers = {"Content-Range": "0-4"}
    answer = repository.wire.ask(method, target, iter([BLOB[:5], BLOB[5:]]), headers)
    assert answer.assert_error(400, "SIZE_INVALID")["expected"] == 5
    assert repository.wire.head(f"{repository.url}/blobs/{digest_of(BLOB)}").status == 404


@pytest.mark.parametrize(
    ("content_range", "offset"),
    [("7-9", 7), ("0-2", 0), ("4-6", 4), ("6-8", 6), ("a-b", None), ("3-1", None), ("-3", None)],
)
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_chunk_that_leaves_a_gap_or_overlaps_is_refused(
    repository: Repository, store: Path, method: str, content_range: str, offset: int | None
) -> None:
    location = repository.wire.ask("PATCH", repository.start(), b"01234").headers["location"]
    before = read_store(store)
    target = add_query(location, digest=digest_of(b"01234xyz"))
    answer = repository.wire.ask(method, target, b"xyz", {"Content-Range": content_range})
    detail = answer.assert_error(416, "RANGE_INVALID")
    assert detail["offset"] == 5
    assert detail["given"] == (content_range if offset is None else str(offset))
    assert answer.headers["location"] == location
    assert answer.headers["range"] == "0-4"
    assert read_store(store) == before
    finished = repository.wire.ask("PUT", target, b"xyz", {"Content-Range": "5-7"})
    assert finished.status == 201


@pytest.mark.parametrize("second", ["PATCH", "PUT", "PUT without a body"])
def test_a_second_writer_is_refused_at_once_and_the_first_one_finishes(
    repository: Repository, store: Path, second: str
) -> None:
    location = repository.start()
    content = bytes(range(256)) * 1024
    head = (
        f"PATCH {location} HTTP/1.1\r\nHost: t\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    )
    with repository.wire.service.connect() as first:
        first.sendall(head + content[:100_000])
        target = add_query(location, digest=digest_of(BLOB))
        method = second.split(maxsplit=1)[0]
        body = b"" if second.endswith("body") else BLOB
        wait_for_claim(store, location)
        started = time.monotonic()
        answer = repository.wire.ask(method, target, body)
        assert time.monotonic() - started < 1
        detail = answer.assert_error(409, "BLOB_UPLOAD_INVALID")
        assert detail["upload"] in location
        first.sendall(content[100_000:])
        status, headers, _ = read_answer(first)
    assert (status, headers["range"]) == (202, f"0-{len(content) - 1}")
    finish = add_query(headers["location"], digest=digest_of(content))
    assert repository.wire.ask("PUT", finish).status == 201
    blob = repository.wire.get(f"{repository.url}/blobs/{digest_of(content)}")
    assert blob.body == content


UNKNOWN_UPLOADS = [
    "7b7c61a5-2ab0-4f6c-a5c3-0b1f2a64f4b5",
    "7B7C61A5-2AB0-4F6C-A5C3-0B1F2A64F4B5",
    "not-a-uuid",
    "..",
    "%2e%2e",
    "..%00",
    "x" * 1000,
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("upload", UNKNOWN_UPLOADS)
def test_an_unknown_upload_is_told(repository: Repository, method: str, upload: str) -> None:
    target = f"{repository.url}/blobs/uploads/{upload}?digest={digest_of(BLOB)}"
    body = BLOB if method.startswith("P") else None
    detail = repository.wire.ask(method, target, body).assert_error(404, "BLOB_UPLOAD_UNKNOWN")
    assert detail["name"] == repository.name


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
def test_an_upload_of_another_repository_is_unknown(
    repository: Repository, store: Path, method: str
) -> None:
    location = repository.start()
    before = read_store(store)
    other = f"{repository.name}-other"
    target = add_query(location.replace(repository.name, other), digest=digest_of(BLOB))
    body = BLOB if method.startswith("P") else None
    answer = repository.wire.ask(method, target, body)
    assert answer.assert_error(404, "BLOB_UPLOAD_UNKNOWN")["name"] == other
    assert read_store(store) == before


# Names and tags.


BAD_NAMES = [
    "UPPER",
    "a..b",
    "a/../b",
    "..",
    ".",
    "a/./b",
    "%2e%2e",
    "a%2f..%2f..%2fb",
    "a%00b",
    "a//b",
    "",
    "a/",
    "/a",
    "%2Fetc",
    "-a",
    "a-",
    "a___b",
    "_uploads",
    "a/_layers",
    "a%20b",
    "a%25b",
    "%C3%A9",
    "%EF%BC%8E",
    "%ff",
    "a:5000/b",
    "x" * 256,
    "/".join(["x"] * 129),
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_outside_the_grammar_is_refused_by_every_endpoint(
    repository: Repository, name: str
) -> None:
    wire = repository.wire
    headers = {"Content-Type": MANIFEST_TYPE}
    for method, path, body in (
        ("GET", "tags/list", None),
        ("GET", "manifests/latest", None),
        ("PUT", "manifests/latest", image()),
        ("DELETE", "manifests/latest", None),
        ("GET", f"blobs/{OTHER}", None),
        ("DELETE", f"blobs/{OTHER}", None),
        ("POST", "blobs/uploads/", BLOB),
        ("POST", f"blobs/uploads/?digest={digest_of(BLOB)}", BLOB),
        ("PATCH", f"blobs/uploads/{UNKNOWN_UPLOADS[0]}", BLOB),
        ("GET", f"referrers/{OTHER}", None),
    ):
        answer = wire.ask(method, f"/v2/{name}/{path}", body, headers)
        answer.assert_error(400, "NAME_INVALID")


def test_a_new_line_is_in_no_path(wire: Wire) -> None:
    answer = wire.get("/v2/a%0Ab/tags/list")
    assert answer.assert_error(404, "NOT_FOUND") == {"path": "/v2/a\nb/tags/list"}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "tag", ["-a", ".a", "..", "%2e%2e", "a%00", "a%0a", "a%20b", "%C3%A9", "a@b", "x" * 129]
)
def test_a_tag_outside_the_grammar_is_refused(repository: Repository, tag: str) -> None:
    target = f"{repository.url}/manifests/{tag}"
    for method, body in (("GET", None), ("PUT", image()), ("DELETE", None)):
        answer = repository.wire.ask(method, target, body, {"Content-Type": MANIFEST_TYPE})
        answer.assert_error(400, "TAG_INVALID")
    digest = digest_of(image())
    answer = repository.wire.ask("PUT", f"{repository.url}/manifests/{digest}?tag={tag}", image())
    answer.assert_error(400, "TAG_INVALID")


def test_the_longest_name_and_tag_are_taken(wire: Wire) -> None:
    repository = Repository(wire, f"{'n' * 100}/{'m' * 154}")
    payload = repository.push_image("t" * 128)
    assert wire.get(f"{repository.url}/manifests/{'t' * 128}").body == payload
