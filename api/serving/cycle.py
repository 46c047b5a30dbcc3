"""One request and its answer on a connection, as uvicorn's protocol over httptools has them."""

import asyncio
import logging
import os
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from api.serving.prepared import WHOLE
from api.serving.refusals import error_body
from api.serving.request_body import RequestBlocks
from api.serving.zerocopy import FileSender

__all__ = ["ZERO_COPY", "Connection", "Cycle"]

ZERO_COPY = "http.response.zerocopysend"
"""The extension of ASGI by which a part of a file is sent without passing through memory."""

_JOINED_BYTES = 64 * 1024
"""Up to this size a body is copied behind its header, so that both leave in one call."""

_BODILESS = (204, 304)


class Connection(Protocol):
    """What a request needs of the protocol of its connection."""

    transport: asyncio.Transport
    flow: FlowControl
    logger: logging.Logger
    server_state: ServerState

    def on_response_complete(self) -> None:
        """Go on behind an answer that is out."""


class Cycle(RequestResponseCycle):
    """Uvicorn's, but the header leaves with the first bytes of the body, and failures are JSON.

    Two calls of the system for each answer would be a third of what a small one costs. ASGI allows
    the wait: "http.response.start" need not be sent before the first "http.response.body".

    What few requests need is made when it is first asked for.

    Attributes:
        blocks: takes in the body of the request where it may be large.
        has_sent_file: whether a file was part of the answer.
    """

    blocks: RequestBlocks | None = None
    has_sent_file = False

    # What uvicorn's own sets for each.
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0

    _head = b""
    _sender: FileSender | None = None
    _event: asyncio.Event | None = None
    _known_defaults: ClassVar[tuple[list[tuple[bytes, bytes]], bytes]] = ([], b"")

    def __init__(
        self, connection: Connection, scope: Any, *, expects_continue: bool, keep_alive: bool
    ) -> None:
        """Prepare to answer the request of `scope`, none of whose body has come."""
        self.scope = scope
        self.transport = connection.transport
        self.flow = connection.flow
        self.logger = connection.logger
        self.default_headers = connection.server_state.default_headers
        self.on_response = connection.on_response_complete
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expects_continue
        self.body = bytearray()

    # Uvicorn's is an attribute that it makes for each request, and never sets anew.
    @property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]
        """Set when there is something to receive."""
        event = self._event
        if event is None:
            event = self._event = asyncio.Event()
            if self.body or not self.more_body or self.disconnected or self.response_complete:
                event.set()
        return event

    def wake(self) -> None:
        """Tell whoever waits that there is something to receive."""
        if self._event is not None:
            self._event.set()

    async def receive(self) -> Any:
        """Return the next message to the application."""
        receive = super().receive
        return await (receive() if self.blocks is None else self.blocks.receive(receive))

    async def send(self, message: Any) -> None:
        """Take a message of the application; see the ASGI specification, "Response Start".

        Raises:
            RuntimeError: it is not what may come now.
            FileEndedError: the file that is to be sent is too short; the connection must be cut.
            OSError: the file cannot be read; the connection must be cut.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            if kind == WHOLE:
                self._answer(message)
                return
            if kind != "http.response.start":
                raise RuntimeError(f"expected http.response.start, got {kind}")
            self._begin(message["status"], message.get("headers", ()))
        elif self.response_complete or kind not in {"http.response.body", ZERO_COPY}:
            raise RuntimeError(f"unexpected {kind} after the answer had begun")
        elif kind == ZERO_COPY:
            await self._send_file(message)
        else:
            more_body: bool = message.get("more_body", False)
            self._go_on(message.get("body", b""), more_body=more_body)
            if not more_body:
                self._complete()

    def stop(self) -> None:
        """Let go of a client that is gone.

        Uvicorn tells only the last request of a connection, which may still wait for its turn.
        """
        if not self.response_complete:
            self.disconnected = True
            self.wake()
        if self._sender is not None:
            self._sender.stop()

    async def send_500_response(self) -> None:
        """Answer for an application that raised, or was cut, before it answered."""
        body = error_body("UNKNOWN", "the request could not be finished")
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"docker-distribution-api-version", b"registry/2.0"),
            (b"connection", b"close"),
        ]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    def _answer(self, message: Any) -> None:
        body: bytes = message["body"]
        if self.scope["method"] == "HEAD":
            body = b""
        elif len(body) != message["length"]:
            raise RuntimeError("the body has not the length of its Content-Length")
        self.response_started = True
        self.waiting_for_100_continue = False
        head = b"".join(
            (
                STATUS_LINE[message["status"]],
                self._default_lines(),
                message["head"],
                b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n",
                body if len(body) <= _JOINED_BYTES else b"",
            )
        )
        self.transport.write(head)
        if len(body) > _JOINED_BYTES:
            self.transport.write(body)
        self._complete()

    def _default_lines(self) -> bytes:
        """Return the lines of the headers that are the same for a second, of which one is Date."""
        known, lines = Cycle._known_defaults
        if known is not self.default_headers:
            known = self.default_headers
            lines = b"".join(b"%b: %b\r\n" % field for field in known)
            Cycle._known_defaults = (known, lines)
        return lines

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        parts = [STATUS_LINE[status]]
        says_close = False
        lines = 2
        for given, value in (*self.default_headers, *headers):
            name = given.lower()
            if name == b"content-length" and self.chunked_encoding is None:
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"transfer-encoding" and value.lower() == b"chunked":
                self.expected_content_length = 0
                self.chunked_encoding = True
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                says_close = True
            parts += (name, b": ", value, b"\r\n")
            lines += 1
        if not self.keep_alive and not says_close:
            parts.append(b"connection: close\r\n")
            lines += 1
        if (
            self.chunked_encoding is None
            and self.scope["method"] != "HEAD"
            and status not in _BODILESS
        ):
            self.chunked_encoding = True
            parts.append(b"transfer-encoding: chunked\r\n")
            lines += 1
        parts.append(b"\r\n")
        head = b"".join(parts)
        if head.count(b"\n") != lines or head.count(b"\r") != lines:
            # A line break in a value would let it pass for further headers.
            raise RuntimeError("a header of the answer has a line break in it")
        self._head = head

    def _go_on(self, body: bytes, *, more_body: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            body = b""
        elif self.chunked_encoding:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if not more_body:
                body += b"0\r\n\r\n"
        else:
            if len(body) > self.expected_content_length:
                raise RuntimeError("the body is longer than its Content-Length")
            self.expected_content_length -= len(body)
        head, self._head = self._head, b""
        if head and len(body) <= _JOINED_BYTES:
            self.transport.write(head + body)
        else:
            if head:
                self.transport.write(head)
            if body:
                self.transport.write(body)

    async def _send_file(self, message: Any) -> None:
        if ZERO_COPY not in self.scope.get("extensions", ()) or self.chunked_encoding:
            raise RuntimeError("a file can only be sent where that is offered, with its length")
        file, offset, count = _part_of(message)
        if count > self.expected_content_length:
            raise RuntimeError("the body is longer than its Content-Length")
        head, self._head = self._head, b""
        if self.transport.get_write_buffer_size():
            await self._write_everything()
        self.has_sent_file = True
        self._sender = FileSender(self.transport, asyncio.get_running_loop())
        try:
            is_sent = await self._sender.send(head, file, offset, count)
        finally:
            self._sender = None
        if is_sent:
            self.expected_content_length -= count
            if not message.get("more_body", False):
                self._complete()

    async def _write_everything(self) -> None:
        """Wait until the transport has written what came before, of this answer or the last."""
        self.transport.set_write_buffer_limits(high=0)
        try:
            await self.flow.drain()
        finally:
            self.transport.set_write_buffer_limits()

    def _complete(self) -> None:
        if self.expected_content_length != 0:
            raise RuntimeError("the body is shorter than its Content-Length")
        self.response_complete = True
        self.wake()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _part_of(message: Any) -> tuple[int, int, int]:
    """Return the descriptor, offset and count of a message, which may leave out the last two."""
    file = message["file"]
    descriptor: int = file if isinstance(file, int) else file.fileno()
    offset = message.get("offset")
    if offset is None:
        offset = os.lseek(descriptor, 0, os.SEEK_CUR)
    count = message.get("count")
    if count is None:
        count = max(os.fstat(descriptor).st_size - offset, 0)
    return descriptor, offset, count
