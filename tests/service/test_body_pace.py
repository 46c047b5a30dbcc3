"""How fast bodies have to come: the rule, and real connections that fall behind."""

import socket
import time
from collections.abc import Iterator

import pytest
from anyio import sleep_forever
from starlette.requests import Request

from api.errors import BodyOverdue, BodyTooSlow
from api.serving import body_pace
from api.serving.body_limits import BodyLimits
from api.serving.body_pace import BodyPace
from api.serving.request_body import EXTENSION
from api.serving.streaming import IncomingBlocks, IncomingBody, receive_body
from api.settings.groups import UploadsSettings
from tests.service.in_thread import LOOPS, Message, Receive, Scope, Send, serving_in_thread
from tests.service.running import read_answer

__all__: list[str] = []

_RATE = 1000


def test_only_the_time_behind_the_grace_has_to_have_its_bytes() -> None:
    pace = BodyPace(max_seconds=0, min_bytes_per_second=100)
    pace.add(0, 60)
    assert not pace.is_behind()
    assert not pace.is_behind(100, 1)
    assert pace.is_behind(99, 1)
    pace.add(10_000, 10)
    assert not pace.is_behind(0, 90)
    assert pace.is_behind(0, 91)


def test_a_body_may_take_so_long_and_no_longer_however_fast_it_comes() -> None:
    pace = BodyPace(max_seconds=100, min_bytes_per_second=0)
    pace.add(10**9, 99)
    assert not pace.is_behind()
    assert pace.patience(60) == 1
    assert pace.patience(0) == 1
    assert pace.is_behind(10**9, 1)
    assert BodyPace(max_seconds=0, min_bytes_per_second=1).patience(0) is None


def test_a_very_slow_body_is_refused_unless_told_otherwise() -> None:
    assert BodyPace.of(UploadsSettings()) is not None
    assert BodyPace.of(UploadsSettings(min_bytes_per_second=0)) is None


async def test_time_that_is_up_is_never_told_as_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def receive() -> Message:
        await sleep_forever()
        return {}

    scope = {"type": "http", "headers": []}
    pace = BodyPace(max_seconds=0.05, min_bytes_per_second=0)
    body = receive_body(Request(scope, receive), 5, BodyLimits(pace=pace))
    # Timers go by another clock than this one, and may end a moment early.
    monkeypatch.setattr("api.serving.streaming.monotonic", lambda: 0.0)
    with pytest.raises(BodyTooSlow):
        await anext(body)


async def test_the_bytes_that_come_as_the_time_is_up_are_given_before_the_fault() -> None:
    """They are counted among those that are kept."""
    pace = BodyPace(max_seconds=1, min_bytes_per_second=0)

    async def receive() -> Message:
        pace.add(0, 1)
        return {"type": "http.request", "body": b"late", "more_body": True}

    body = IncomingBody(Request({"type": "http"}, receive), 60, BodyLimits(pace=pace))
    assert await anext(body) == b"late"
    with pytest.raises(BodyTooSlow) as caught:
        await anext(body)
    assert caught.value.detail["received_bytes"] == 4


async def _application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the number of bytes that came, and with how they ended."""
    request = Request(scope, receive)
    pace = BodyPace(max_seconds=0, min_bytes_per_second=_RATE)
    body = receive_body(request, 5, BodyLimits(pace=pace))
    received, end = 0, "whole"
    try:
        if isinstance(body, IncomingBlocks):
            block = memoryview(bytearray(200_000))
            while filled := await body.fill(block):
                received += filled
        else:
            async for chunk in body:
                received += len(chunk)
    except BodyTooSlow:
        end = "slow"
    except BodyOverdue:
        end = "silent"
    answer = f"{received} {end} {EXTENSION in scope['extensions']}".encode()
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@pytest.fixture(scope="module", params=LOOPS)
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body_pace, "_GRACE_SECONDS", 1)
        patch.setattr(body_pace, "_LOOK_SECONDS", 0.2)
        with serving_in_thread(_application, LOOPS[request.param]) as number:
            yield number


def _send(port: int, length: int, piece: bytes, seconds: float) -> tuple[float, str]:
    """Send a body in pieces until there is an answer; after how long there was, and which."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = f"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        started, left = time.monotonic(), length
        while left and time.monotonic() - started < 8:
            connection.settimeout(seconds)
            try:
                connection.recv(1, socket.MSG_PEEK)
                break
            except TimeoutError:
                connection.settimeout(10)
                connection.sendall(piece[:left])
                left -= len(piece[:left])
        connection.settimeout(10)
        return time.monotonic() - started, read_answer(connection)[2].decode()


@pytest.mark.parametrize("length", [50_000, 1_000_000])
def test_a_client_that_sends_a_little_now_and_then_is_cut(port: int, length: int) -> None:
    seconds, answer = _send(port, length, b"x" * 10, 0.1)
    received, end, in_blocks = answer.split()
    assert (end, in_blocks) == ("slow", str(length > 64 * 1024))
    assert 0 < int(received) < 2000
    assert 0.9 < seconds < 4


@pytest.mark.parametrize("length", [4_000, 100_000])
def test_a_client_that_is_fast_enough_is_not(port: int, length: int) -> None:
    seconds, answer = _send(port, length, b"x" * (length // 20), 0.1)
    assert answer.startswith(f"{length} whole")
    assert seconds > 1.5
