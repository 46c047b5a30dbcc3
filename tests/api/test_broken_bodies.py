"""Clients that hang up, fall silent, or contradict themselves inside a request."""

import socket
import struct
import time
from pathlib import Path

import pytest

from tests.api.content import MANIFEST_TYPE, Repository, digest_of, image
from tests.api.stored import read_store, upload_files
from tests.api.wire import Answer, Wire, add_query
from tests.service.running import read_answer

__all__: list[str] = []

CONTENT = bytes(range(256)) * 1000


def request(method: str, target: str, *headers: str) -> bytes:
    """Give the head of a request."""
    lines = (f"{method} {target} HTTP/1.1", "Host: t", *headers)
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def hang_up(wire: Wire, *pieces: bytes, politely: bool) -> None:
    """Send the beginning of a request and close, with a FIN or with a reset."""
    with wire.service.connect() as connection:
        for piece in pieces:
            connection.sendall(piece)
        if not politely:
            time.sleep(0.2)
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def wait_for_range(wire: Wire, location: str, expected: str) -> str:
    """Wait until an upload says that it holds those bytes, and give its Location."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        status = wire.get(location)
        if status.headers["range"] == expected:
            return status.headers["location"]
        time.sleep(0.05)
    raise AssertionError(status)


def finish(wire: Wire, target: str, content: bytes) -> Answer:
    """End an upload whose bytes are seen, as soon as its last writer has let go of it."""
    deadline = time.monotonic() + 5
    while (answer := wire.ask("PUT", target, content)).status == 409:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return answer


@pytest.mark.parametrize("politely", [True, False])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_what_came_before_a_client_hung_up_stays_and_the_upload_goes_on_from_there(
    repository: Repository, method: str, framing: str, politely: bool
) -> None:
    digest = digest_of(CONTENT)
    location = repository.start()
    part = CONTENT[:100_000]
    target = add_query(location, digest=digest)
    if framing == "length":
        head = request(method, target, f"Content-Length: {len(CONTENT)}")
        pieces = [head, part]
    else:
        head = request(method, target, "Transfer-Encoding: chunked")
        pieces = [head, f"{len(part):x}\r\n".encode(), part, b"\r\n"]
    hang_up(repository.wire, *pieces, politely=politely)
    location = wait_for_range(repository.wire, location, f"0-{len(part) - 1}")
    assert repository.wire.head(f"{repository.url}/blobs/{digest}").status == 404
    answer = finish(repository.wire, add_query(location, digest=digest), CONTENT[len(part) :])
    assert answer.status == 201
    assert repository.wire.get(f"{repository.url}/blobs/{digest}").body == CONTENT


@pytest.mark.parametrize("politely", [True, False])
def test_a_push_in_one_request_that_broke_off_leaves_nothing(
    repository: Repository, store: Path, politely: bool
) -> None:
    repository.push_image("kept")
    before = read_store(store)
    target = add_query(f"{repository.url}/blobs/uploads/", digest=digest_of(CONTENT))
    head = request("POST", target, f"Content-Length: {len(CONTENT)}")
    hang_up(repository.wire, head, CONTENT[:100_000], politely=politely)
    deadline = time.monotonic() + 5
    while read_store(store) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert read_store(store) == before


def test_a_manifest_that_broke_off_is_not_stored(repository: Repository, store: Path) -> None:
    repository.push_image("kept")
    before = read_store(store)
    payload = image()
    head = request(
        "PUT",
        f"{repository.url}/manifests/tag",
        f"Content-Type: {MANIFEST_TYPE}",
        f"Content-Length: {len(payload) + 1}",
        "X-Request-Id: broke-off",
    )
    hang_up(repository.wire, head, payload, politely=True)
    repository.wire.service.wait_for_log("request", request_id="broke-off", status=499)
    assert read_store(store) == before


@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST"])
def test_a_client_that_falls_silent_is_told_and_its_bytes_stay(
    repository: Repository, store: Path, method: str
) -> None:
    location = repository.start()
    target = f"{repository.url}/blobs/uploads/" if method == "POST" else location
    target = add_query(target, digest=digest_of(CONTENT))
    head = request(method, target, f"Content-Length: {len(CONTENT)}")
    before = upload_files(store, repository.name)
    with repository.wire.service.connect() as connection:
        connection.sendall(head + CONTENT[:1000])
        started = time.monotonic()
        status, _, body = read_answer(connection)
        assert 1.9 < time.monotonic() - started < 6
    assert status == 408
    assert b"REQUEST_TIMEOUT" in body
    if method == "POST":
        assert upload_files(store, repository.name) == before
    else:
        location = wait_for_range(repository.wire, location, "0-999")
        target = add_query(location, digest=digest_of(CONTENT))
        assert repository.wire.ask("PUT", target, CONTENT[1000:]).status == 201


def test_a_client_that_is_slow_but_not_silent_is_waited_for(repository: Repository) -> None:
    head = request("PATCH", repository.start(), "Content-Length: 8")
    with repository.wire.service.connect() as connection:
        connection.sendall(head)
        for _ in range(8):
            time.sleep(0.3)
            connection.sendall(b"x")
        assert read_answer(connection)[0] == 202


CONTRADICTIONS = {
    "two lengths": ["Content-Length: 4", "Content-Length: 5"],
    "a length and chunks": ["Content-Length: 4", "Transfer-Encoding: chunked"],
    "a negative length": ["Content-Length: -4"],
    "a length that is none": ["Content-Length: four"],
    "a length with a sign": ["Content-Length: +4"],
    "a list of lengths": ["Content-Length: 4, 4"],
    "a huge length": ["Content-Length: 99999999999999999999999"],
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST"])
def test_a_body_whose_length_contradicts_itself_is_refused(
    repository: Repository, store: Path, method: str, name: str
) -> None:
    location = repository.start()
    before = read_store(store)
    target = f"{repository.url}/blobs/uploads/" if method == "POST" else location
    target = add_query(target, digest=digest_of(b"abcd"))
    with repository.wire.service.connect() as connection:
        connection.sendall(request(method, target, *CONTRADICTIONS[name]) + b"abcd")
        status, headers, body = read_answer(connection)
    assert (status, headers["content-type"]) == (400, "application/json")
    assert b'"code":"REQUEST_INVALID"' in body
    assert read_store(store) == before
