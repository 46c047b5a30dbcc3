"""Answers that leave in one message, as `api/serving/prepared.py` describes it."""

import socket
from collections.abc import Iterator

import pytest

from api.serving.prepared import WHOLE, PreparedResponse, prepare_headers
from tests.service.in_thread import LOOPS, Message, Receive, Scope, Send, serving_in_thread

__all__: list[str] = []

_LARGE = b"x" * 200_000


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what the path names; tell in a header in what messages."""
    path = scope["path"]
    body = {"/large": _LARGE, "/none": b""}.get(path, path.encode())
    length = len(body) + (path == "/short") - (path == "/long")
    messages: list[Message] = []

    async def record(message: Message) -> None:
        messages.append(message)
        await send(message)

    headers = {"Content-Length": str(length), "X-Whole": str(WHOLE in scope["extensions"])}
    await PreparedResponse(prepare_headers(headers), body)(scope, receive, record)
    assert [message["type"] for message in messages] == (
        [WHOLE] if WHOLE in scope["extensions"] else ["http.response.start", "http.response.body"]
    )


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving_in_thread(_app, LOOPS["uvloop"]) as port:
        yield port


def _ask(port: int, request: bytes) -> bytes:
    """Send a request and return all that comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def _request(path: str, *fields: str, method: str = "GET") -> bytes:
    lines = (f"{method} {path} HTTP/1.1", "Host: t", *fields)
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def _last(path: str, method: str = "GET") -> bytes:
    return _request(path, "Connection: close", method=method)


def test_a_whole_answer_has_its_header_and_its_body(port: int) -> None:
    head, _, body = _ask(port, _last("/a")).partition(b"\r\n\r\n")
    assert head == (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-whole: True\r\nconnection: close")
    assert body == b"/a"


def test_the_answer_to_head_has_no_body(port: int) -> None:
    answer = _ask(port, _request("/a", method="HEAD") + _last("/none"))
    head, second = answer.split(b"\r\n\r\n")[:2]
    assert b"content-length: 2" in head
    assert b"connection" not in head
    assert second.startswith(b"HTTP/1.1 200 OK\r\ncontent-length: 0")


def test_whole_answers_to_requests_at_once_come_in_order(port: int) -> None:
    answer = _ask(port, _request("/1") + _request("/large") + _request("/none") + _last("/2"))
    bodies = [piece.partition(b"\r\n\r\n")[2] for piece in answer.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"/1", _LARGE, b"", b"/2"]


@pytest.mark.parametrize("path", ["/short", "/long"])
def test_a_body_that_is_not_as_long_as_was_said_is_not_sent(port: int, path: str) -> None:
    answer = _ask(port, _request(path))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert path.encode() not in answer


def test_a_request_with_a_body_is_not_answered_whole(port: int) -> None:
    request = _request("/a", "Content-Length: 1", "Connection: close", method="PUT") + b"x"
    assert b"x-whole: False" in _ask(port, request)


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\r\nb: c"])
def test_no_header_with_a_line_break_is_prepared(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        prepare_headers({"Content-Length": "0", "X": value})
