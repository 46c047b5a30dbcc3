"""Bodies that an application takes in by blocks, over real connections and both event loops."""

import asyncio
import hashlib
import json
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import pytest

from api.serving.request_body import EXTENSION, SMALL_BYTES
from tests.service.in_thread import LOOPS, Message, Receive, Scope, Send, serving_in_thread
from tests.service.running import read_answer

__all__: list[str] = []

BLOCK_BYTES = 300_000
CONTENT = random.Random(5).randbytes(2_000_003)
NEXT = b"GET /hello HTTP/1.1\r\nHost: t\r\n\r\n"
SILENCE_SECONDS = 0.5

seen: "Queue[Message]" = Queue()
"""What the application was given, where it cannot answer with it."""


async def answer(send: Send, body: bytes, status: int = 200) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Taken:
    """What one request gave."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.offer: Callable[[memoryview, float], None] = scope["extensions"][EXTENSION]["offer"]
        self.receive = receive
        self.block = memoryview(bytearray(BLOCK_BYTES))
        self.content = b""
        self.sizes: list[int] = []
        self.end = "more"

    async def take(self) -> bool:
        """Take in one block; say whether there is more."""
        self.offer(self.block, SILENCE_SECONDS)
        message = await self.receive()
        if message["type"] == "http.disconnect":
            self.end = "gone"
            return False
        body = message["body"]
        assert isinstance(body, memoryview)
        assert body.obj is self.block.obj
        self.content += body
        self.sizes.append(len(body))
        if message.get("overdue"):
            self.end = "overdue"
            return False
        if not message["more_body"]:
            self.end = "whole"
            return False
        return True

    def report(self) -> dict[str, Any]:
        digest = hashlib.sha256(self.content).hexdigest()
        return {"sizes": self.sizes, "end": self.end, "sha256": digest}


async def take_all(taken: Taken) -> None:
    while await taken.take():
        pass


async def take_slowly(taken: Taken) -> None:
    while await taken.take():  # noqa: ASYNC110 - it is no waiting for something to happen
        await asyncio.sleep(SILENCE_SECONDS * 0.6)


async def take_one(taken: Taken) -> None:
    await taken.take()


async def take_by_turns(taken: Taken) -> None:
    while await taken.take():
        message = await taken.receive()
        taken.content += message["body"]
        if not message["more_body"]:
            taken.end = "whole"
            break


async def take_impatiently(taken: Taken) -> None:
    while taken.end == "more":
        try:
            async with asyncio.timeout(0.02):
                await taken.take()
        except TimeoutError:
            taken.sizes.append(-1)


WAYS = {
    "/all": take_all,
    "/slowly": take_slowly,
    "/one-block": take_one,
    "/by-turns": take_by_turns,
    "/impatient": take_impatiently,
}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/hello":
        await answer(send, b"hello")
    elif scope["path"] == "/offered":
        await answer(send, str(EXTENSION in scope.get("extensions", {})).encode())
    else:
        taken = Taken(scope, receive)
        await WAYS[scope["path"]](taken)
        if taken.end == "gone":
            seen.put(taken.report())
        else:
            status = {"whole": 200, "overdue": 408, "more": 507}[taken.end]
            await answer(send, json.dumps(taken.report()).encode(), status)


@pytest.fixture(params=LOOPS)
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with serving_in_thread(application, LOOPS[request.param]) as found:
        yield found


@pytest.fixture
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connected:
        yield connected


def with_length(content: bytes) -> tuple[str, bytes]:
    return f"Content-Length: {len(content)}", content


def in_chunks(content: bytes) -> tuple[str, bytes]:
    pieces = [content[start : start + 32_768] for start in range(0, len(content), 32_768)]
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""]]
    return "Transfer-Encoding: chunked", b"".join(chunks)


Framing = Callable[[bytes], tuple[str, bytes]]
both_framings = pytest.mark.parametrize("framing", [with_length, in_chunks])


def post(path: str, header: str, *headers: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: t", header, *headers, "", "")
    return "\r\n".join(lines).encode()


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def assert_whole(body: bytes, content: bytes = CONTENT) -> None:
    report = json.loads(body)
    full, rest = divmod(len(content), BLOCK_BYTES)
    assert report["sizes"][:full] == [BLOCK_BYTES] * full
    assert sum(report["sizes"]) == len(content)
    assert report["sizes"][full:] in ([rest], [rest, 0], [], [0])
    assert report["end"] == "whole"
    assert report["sha256"] == hashlib.sha256(content).hexdigest()


@both_framings
def test_a_body_comes_whole_in_full_blocks_and_the_connection_goes_on(
    connection: socket.socket, framing: Framing
) -> None:
    header, body = framing(CONTENT)
    for _ in range(3):
        connection.sendall(post("/all", header) + body)
        status, headers, report = read_answer(connection)
        assert (status, "connection" in headers) == (200, False)
        assert_whole(report)
    connection.sendall(NEXT)
    assert read_answer(connection)[2] == b"hello"


@both_framings
def test_a_request_right_behind_a_body_is_not_eaten_with_it(
    connection: socket.socket, framing: Framing
) -> None:
    header, body = framing(CONTENT)
    request = post("/all", header) + body
    connection.sendall(request + NEXT + request + NEXT)
    stream = connection.makefile("rb")
    received = b""
    while received.count(b"hello") < 2:
        received += stream.read1(65536)
    digest = hashlib.sha256(CONTENT).hexdigest().encode()
    assert received.count(b"HTTP/1.1 200 OK") == 4
    assert received.count(digest) == 2
    assert received.index(digest) < received.index(b"hello") < received.rindex(digest)


@pytest.mark.parametrize("size", [BLOCK_BYTES, 2 * BLOCK_BYTES, BLOCK_BYTES + 1])
@both_framings
def test_a_body_may_end_with_a_block(
    connection: socket.socket, framing: Framing, size: int
) -> None:
    header, body = framing(CONTENT[:size])
    connection.sendall(post("/all", header))
    time.sleep(0.05)
    connection.sendall(body + NEXT)
    stream = connection.makefile("rb")
    received = b""
    while not received.endswith(b"hello"):
        received += stream.read1(65536)
    assert hashlib.sha256(CONTENT[:size]).hexdigest().encode() in received


@both_framings
def test_a_body_that_trickles_in_comes_in_full_blocks(
    connection: socket.socket, framing: Framing
) -> None:
    header, body = framing(CONTENT)
    connection.sendall(post("/all", header))
    for start in range(0, len(body), 99_991):
        connection.sendall(body[start : start + 99_991])
        time.sleep(0.002)
    assert_whole(read_answer(connection)[2])


@pytest.mark.parametrize("size", [0, SMALL_BYTES])
def test_no_blocks_are_offered_for_what_is_small(connection: socket.socket, size: int) -> None:
    connection.sendall(post("/offered", f"Content-Length: {size}") + bytes(size))
    assert read_answer(connection)[2] == b"False"


@both_framings
def test_blocks_are_offered_for_what_may_be_large(
    connection: socket.socket, framing: Framing
) -> None:
    header, _ = framing(CONTENT[: SMALL_BYTES + 1])
    connection.sendall(post("/offered", header))
    assert read_answer(connection)[2] == b"True"


@both_framings
def test_what_is_received_without_a_block_stands_between_the_blocks(
    connection: socket.socket, framing: Framing
) -> None:
    header, body = framing(CONTENT)
    connection.sendall(post("/by-turns", header) + body + NEXT)
    report = json.loads(read_answer(connection)[2])
    assert report["sha256"] == hashlib.sha256(CONTENT).hexdigest()


@both_framings
def test_a_receive_that_is_cancelled_loses_nothing(
    connection: socket.socket, framing: Framing
) -> None:
    header, body = framing(CONTENT)
    connection.sendall(post("/impatient", header))
    for start in range(0, len(body), 150_000):
        time.sleep(0.05)
        connection.sendall(body[start : start + 150_000])
    report = json.loads(read_answer(connection)[2])
    assert -1 in report["sizes"]
    assert report["sha256"] == hashlib.sha256(CONTENT).hexdigest()


@both_framings
def test_a_silent_client_is_told_of_and_what_came_before_is_given(
    connection: socket.socket, framing: Framing
) -> None:
    header, body = framing(CONTENT)
    started = time.monotonic()
    connection.sendall(post("/all", header) + body[:700_000])
    status, headers, body = read_answer(connection)
    report = json.loads(body)
    assert SILENCE_SECONDS * 0.9 < time.monotonic() - started < SILENCE_SECONDS + 3
    assert (status, headers["connection"]) == (408, "close")
    assert report["sizes"][:2] == [BLOCK_BYTES] * 2
    assert 699_000 < sum(report["sizes"]) <= 700_000
    expected = CONTENT[: sum(report["sizes"])]
    assert report["sha256"] == hashlib.sha256(expected).hexdigest()


@both_framings
def test_a_slow_client_is_waited_for_and_a_slow_application_is_no_silence(
    connection: socket.socket, framing: Framing
) -> None:
    content = CONTENT[: BLOCK_BYTES + 1]
    header, body = framing(content)
    connection.sendall(post("/slowly", header))
    for start in range(0, len(body), len(body) // 4 + 1):
        connection.sendall(body[start : start + len(body) // 4 + 1])
        time.sleep(SILENCE_SECONDS * 0.6)
    assert_whole(read_answer(connection)[2], content)


@pytest.mark.parametrize("politely", [True, False])
@both_framings
def test_what_came_before_a_client_hung_up_is_given_before_that_is_told(
    connection: socket.socket, framing: Framing, politely: bool
) -> None:
    header, body = framing(CONTENT)
    connection.sendall(post("/all", header) + body[:700_000])
    if not politely:
        time.sleep(0.2)
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()
    report = seen.get(timeout=5)
    assert 699_000 < sum(report["sizes"]) <= 700_000
    expected = CONTENT[: sum(report["sizes"])]
    assert report["sha256"] == hashlib.sha256(expected).hexdigest()


@both_framings
def test_an_answer_after_one_block_is_read_by_a_client_that_sends_on(
    connection: socket.socket, framing: Framing
) -> None:
    """More than the system takes into its buffers is still to come, and has to go somewhere."""
    header, body = framing(CONTENT * 8)
    connection.sendall(post("/one-block", header) + body)
    status, headers, report = read_answer(connection)
    assert (status, headers["connection"]) == (507, "close")
    assert json.loads(report)["sizes"] == [BLOCK_BYTES]
    assert is_closed(connection)


@both_framings
def test_a_body_is_asked_for_when_a_block_is_there_for_it(
    connection: socket.socket, framing: Framing
) -> None:
    header, body = framing(CONTENT)
    connection.sendall(post("/all", header, "Expect: 100-continue"))
    assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(body)
    assert_whole(read_answer(connection)[2])
