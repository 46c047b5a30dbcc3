"""A proxy before an HTTP store, whose weather can be told: fair, or any of many faults.

Each request gets a connection of its own on both sides, so that a fault hits one request alone.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from tests.servers.connections import closed_after, listening_in_thread

__all__ = ["Fault", "Rule", "Seen", "Weather", "running_weather"]

Kind = Literal[
    "refuse", "hang", "answer", "reset request", "lose answer", "cut answer", "reset answer", "slow"
]

_PIECE = 16 * 1024
_HEAD_LIMIT = 256 * 1024

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Less.</Message></Error>"
INTERNAL = b"<Error><Code>InternalError</Code><Message>We had a problem.</Message></Error>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of a request.

    Attributes:
        kind: `refuse` closes the connection unanswered; `hang` never answers; `answer` answers
            with `status`; `reset request` resets the connection after `after` bytes of the
            request's body; `lose answer` resets it once the store has done what was asked;
            `cut answer` ends the connection after `after` bytes of the answer's
            body, and `reset answer` resets it there; `slow` lets through `rate` bytes a second.
        status: of the answer.
        after: in bytes.
        rate: in bytes per second.
    """

    kind: Kind
    status: int = 503
    after: int = 0
    rate: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came by."""

    method: str
    target: str


Rule = Callable[[Seen], Fault | None]


@dataclass(slots=True)
class Weather:
    """The proxy as a test holds it.

    Attributes:
        url: to be used in place of that of the store.
        rule: what becomes of each request; may be changed at any time. None is fair weather.
        requests: all that came, in order.
        faulted: how many of them had a fault.
    """

    url: str
    rule: Rule | None = None
    requests: list[Seen] = field(default_factory=list)
    faulted: int = 0

    def clear(self) -> None:
        """Let everything through from now on."""
        self.rule = None


@contextmanager
def running_weather(store_url: str) -> Iterator[Weather]:
    """Run a proxy before the store at `store_url` until the block ends."""
    host, _, port = store_url.removeprefix("http://").partition(":")
    proxy = _Proxy(host, int(port))
    with listening_in_thread(proxy.serve, limit=_HEAD_LIMIT) as own_port:
        proxy.weather.url = f"http://127.0.0.1:{own_port}"
        yield proxy.weather


class _Proxy:
    def __init__(self, host: str, port: int) -> None:
        self.weather = Weather(url="")
        self._address = (host, port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._pass_on(reader, writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        seen = Seen(method, target)
        self.weather.requests.append(seen)
        fault = None if self.weather.rule is None else self.weather.rule(seen)
        self.weather.faulted += fault is not None
        if fault is not None and await _refuse(fault, reader, writer, _content_length(head)):
            return
        # Neither side signs this header.
        head = head[:-2] + b"Connection: close\r\n\r\n"
        store_reader, store_writer = await asyncio.open_connection(*self._address)
        async with closed_after(store_writer):
            store_writer.write(head)
            sending = asyncio.create_task(_send_body(reader, store_writer, fault, writer))
            try:
                await _return_answer(store_reader, writer, fault)
            finally:
                sending.cancel()
                with suppress(asyncio.CancelledError, ConnectionError):
                    await sending


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def _refuse(
    fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: int
) -> bool:
    """Do what never reaches the store; say whether that was it."""
    match fault.kind:
        case "refuse":
            _reset(writer)
        case "hang":
            await asyncio.sleep(3600)
        case "answer":
            await reader.readexactly(length)
            body = SLOW_DOWN if fault.status == 503 else INTERNAL
            writer.write(
                b"HTTP/1.1 %d Fault\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n"
                b"Connection: close\r\n\r\n%b" % (fault.status, len(body), body)
            )
            await writer.drain()
        case _:
            return False
    return True


async def _send_body(
    reader: asyncio.StreamReader,
    store: asyncio.StreamWriter,
    fault: Fault | None,
    client: asyncio.StreamWriter,
) -> None:
    sent = 0
    while piece := await reader.read(_PIECE):
        if fault is not None and fault.kind == "reset request":
            piece = piece[: fault.after - sent]
            store.write(piece)
            sent += len(piece)
            if sent >= fault.after:
                _reset(store)
                _reset(client)
                return
        else:
            store.write(piece)
        await _pace(fault, len(piece))
        await store.drain()


async def _return_answer(
    store: asyncio.StreamReader, client: asyncio.StreamWriter, fault: Fault | None
) -> None:
    head = await store.readuntil(b"\r\n\r\n")
    if fault is not None and fault.kind == "lose answer":
        _reset(client)
        return
    client.write(head)
    passed = 0
    while piece := await store.read(_PIECE):
        if fault is not None and fault.kind in {"cut answer", "reset answer"}:
            piece = piece[: fault.after - passed]
            if not piece:
                await client.drain()
                if fault.kind == "reset answer":
                    _reset(client)
                return
        client.write(piece)
        passed += len(piece)
        await _pace(fault, len(piece))
        await client.drain()


async def _pace(fault: Fault | None, size: int) -> None:
    if fault is not None and fault.rate:
        await asyncio.sleep(size / fault.rate)


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
