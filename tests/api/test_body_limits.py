"""Bodies that are too large, or that come too slowly, and manifests that are nested too deep."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.api.content import EMPTY_JSON, MANIFEST_TYPE, Repository, digest_of, image
from tests.api.wire import Wire, add_query
from tests.live import running_registry
from tests.service.running import read_answer

__all__: list[str] = []

MAX_BYTES = 300_000
MAX_SECONDS = 1
SMALL = b"x" * 9


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A registry that wants little, and that quickly."""
    with running_registry(
        tmp_path_factory.mktemp("strict"),
        MOORAGE_UPLOADS__MAX_BYTES=str(MAX_BYTES),
        MOORAGE_UPLOADS__MAX_SECONDS=str(MAX_SECONDS),
        MOORAGE_MANIFESTS__MAX_DEPTH="8",
    ) as service:
        yield Wire(service)


def in_pieces(content: bytes) -> Iterator[bytes]:
    """Give content so that it is sent without its length."""
    for start in range(0, len(content), 100_000):
        yield content[start : start + 100_000]


@pytest.mark.parametrize("framing", ["announced", "chunked"])
def test_a_blob_of_the_largest_size_is_taken_and_one_byte_more_is_not(
    strict: Wire, framing: str
) -> None:
    repository = Repository(strict, f"size/{framing}")
    for content, status in ((b"x" * MAX_BYTES, 201), (b"x" * (MAX_BYTES + 1), 413)):
        body = content if framing == "announced" else in_pieces(content)
        target = f"{repository.url}/blobs/uploads/?digest={digest_of(content)}"
        answer = strict.ask("POST", target, body)
        assert answer.status == status
        found = strict.head(f"{repository.url}/blobs/{digest_of(content)}").status
        assert found == (200 if status == 201 else 404)
    assert answer.assert_error(413, "SIZE_INVALID") == {"limit": MAX_BYTES}


def test_the_parts_of_a_blob_are_counted_together(strict: Wire) -> None:
    repository = Repository(strict, "parts")
    part = b"x" * (MAX_BYTES // 2)
    location = repository.start()
    for _ in range(2):
        answer = strict.ask("PATCH", location, part)
        assert answer.status == 202
        location = answer.headers["location"]
    assert strict.ask("PATCH", location, b"x").assert_error(413, "SIZE_INVALID")
    assert strict.ask("PATCH", location, iter([b"x"])).assert_error(413, "SIZE_INVALID")
    finish = add_query(location, digest=digest_of(part * 2))
    assert strict.ask("PUT", finish, b"x").assert_error(413, "SIZE_INVALID")
    assert strict.ask("PUT", finish).status in {201, 416}


def test_what_is_announced_as_too_large_is_refused_before_it_is_sent(strict: Wire) -> None:
    location = Repository(strict, "announced").start()
    with strict.service.connect() as connection:
        head = f"PATCH {location} HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999\r\n\r\n"
        connection.sendall(head.encode())
        status, headers, body = read_answer(connection)
    assert (status, headers["connection"]) == (413, "close")
    assert json.loads(body)["errors"][0]["code"] == "SIZE_INVALID"


def _trickle(connection: socket.socket, head: str, piece: bytes) -> tuple[float, int, bytes]:
    """Send a body bit by bit until there is an answer: after how long, which, and its body."""
    connection.sendall(head.encode())
    started = time.monotonic()
    connection.settimeout(0)
    while time.monotonic() - started < 15:
        try:
            connection.recv(1, socket.MSG_PEEK)
            break
        except BlockingIOError:
            connection.sendall(piece)
            time.sleep(0.05)
    seconds = time.monotonic() - started
    connection.settimeout(10)
    status, _, body = read_answer(connection)
    return seconds, status, body


@pytest.mark.parametrize("length", [50_000, 250_000])
def test_a_blob_that_trickles_in_is_cut_in_time_and_what_came_is_kept(
    strict: Wire, length: int
) -> None:
    """Larger ones come in blocks, smaller ones in chunks."""
    location = Repository(strict, f"trickle/{length}").start()
    head = f"PATCH {location} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"
    with strict.service.connect() as connection:
        seconds, status, body = _trickle(connection, head, SMALL)
    assert status == 408
    error = json.loads(body)["errors"][0]
    assert error["code"] == "REQUEST_TIMEOUT"
    assert MAX_SECONDS * 0.8 < seconds < MAX_SECONDS + 4
    assert MAX_SECONDS <= error["detail"]["seconds"] <= seconds + 1
    received = strict.get(location.partition("?")[0]).headers["range"]
    assert int(received.removeprefix("0-")) >= error["detail"]["received_bytes"] - 1 > 0


def test_a_manifest_that_trickles_in_is_cut_in_time(strict: Wire) -> None:
    head = (
        "PUT /v2/trickle/manifest/manifests/tag HTTP/1.1\r\nHost: t\r\n"
        f"Content-Type: {MANIFEST_TYPE}\r\nContent-Length: 50000\r\n\r\n"
    )
    with strict.service.connect() as connection:
        seconds, status, _ = _trickle(connection, head, b" ")
    assert status == 408
    assert MAX_SECONDS * 0.8 < seconds < MAX_SECONDS + 4


@pytest.mark.parametrize(("depth", "status"), [(8, 201), (9, 400)])
def test_a_manifest_may_be_nested_as_deep_as_it_is_told(
    strict: Wire, depth: int, status: int
) -> None:
    repository = Repository(strict, f"depth/{depth}")
    repository.push_blob(EMPTY_JSON)
    # The document itself is the first level.
    nested: object = "leaf"
    for level in range(depth - 1):
        nested = [nested] if level % 2 else {"below": nested}
    payload = json.dumps({**json.loads(image()), "extra": nested}).encode()
    answer = strict.ask(
        "PUT", f"{repository.url}/manifests/tag", payload, {"Content-Type": MANIFEST_TYPE}
    )
    assert answer.status == status, answer
    if status == 400:
        reason = answer.assert_error(400, "MANIFEST_INVALID")["reason"]
        assert reason == "the manifest is nested too deep: more than 8 objects and lists"
