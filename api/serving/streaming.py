"""Bodies, in and out, in chunks and never whole."""

from collections.abc import AsyncIterator, Callable
from time import monotonic

from anyio import CancelScope, create_task_group, fail_after
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from api.errors import BodyOverdue
from api.serving.body_limits import NO_BODY_LIMITS, BodyLimits
from api.serving.body_pace import BodyPace
from api.serving.cycle import ZERO_COPY
from api.serving.prepared import PreparedHeaders, PreparedResponse
from api.serving.request_body import EXTENSION
from api.serving.zerocopy import FileEndedError
from core.errors import BlobUnknown, DriverUnavailable, ManifestTooLarge
from core.storage import CHUNK_BYTES, DriverReader, Layer

__all__ = ["BlobResponse", "TruncatedContentError", "read_body", "receive_body"]

_SMALL_BYTES = 64 * 1024
"""A blob of fewer bytes is read at once, and leaves with its header, in one call."""

_WINDOW_BYTES = 4 * 1024 * 1024
"""Sent by the server at once without being told of each piece."""


class TruncatedContentError(Exception):
    """Stored content that ends before its size, found after the answer had begun."""


class IncomingBody(AsyncIterator[bytes]):
    """The body of a request, in chunks as they come.

    Each call may raise:
        ClientDisconnect: the client hung up before the body's end.
        BodyOverdue: it was silent too long, or fell behind the pace.
        BlobTooLarge: more has come than may; no more was read than the first bytes of that.
    """

    def __init__(
        self, request: Request, timeout_seconds: float, limits: BodyLimits = NO_BODY_LIMITS
    ) -> None:
        """Take in the body of `request`, which nobody has read yet.

        The longest silence of the client is `timeout_seconds`; 0 is no limit.
        """
        self._receive = request.receive
        self._timeout_seconds = timeout_seconds
        self._pace = limits.pace
        self._limits = limits
        self._received = 0
        self._ended = False

    async def __anext__(self) -> bytes:
        """Return the next chunk, which is not empty."""
        while not self._ended:
            chunk = await (self._next() if self._pace is None else self._next_in_pace(self._pace))
            if chunk:
                return bytes(chunk)
        raise StopAsyncIteration

    async def _next(self) -> bytes | memoryview:
        try:
            with fail_after(self._timeout_seconds or None):
                return self._take(await self._receive())
        except TimeoutError:
            raise self._overdue() from None

    async def _next_in_pace(self, pace: BodyPace) -> bytes | memoryview:
        if pace.is_behind():
            raise pace.fault()
        began_at = monotonic()
        patience = pace.patience(self._timeout_seconds)
        try:
            with fail_after(patience):
                chunk = self._take(await self._receive())
        except TimeoutError:
            pace.add(0, monotonic() - began_at)
            # Timers may end a moment early, when the pace seems to have some time left.
            was_silent = patience == self._timeout_seconds and not pace.is_behind()
            raise (self._overdue() if was_silent else pace.fault()) from None
        # If that was too late, the next call says so: what came is kept.
        pace.add(len(chunk), monotonic() - began_at)
        return chunk

    def _overdue(self) -> BodyOverdue:
        return BodyOverdue(self._timeout_seconds)

    def _take(self, message: Message) -> bytes | memoryview:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._ended = not message.get("more_body", False)
        chunk: bytes | memoryview = message.get("body", b"")
        self._received += len(chunk)
        self._limits.check(self._received)
        return chunk


class IncomingBlocks(IncomingBody):
    """The same, and whoever gives blocks for it has them filled in place by the server."""

    def __init__(
        self,
        request: Request,
        timeout_seconds: float,
        offer: Callable[[memoryview, float, BodyPace | None], None],
        limits: BodyLimits = NO_BODY_LIMITS,
    ) -> None:
        """Prepare the same; `offer` is that of the extension in `api/serving/request_body.py`."""
        super().__init__(request, timeout_seconds, limits)
        self._offer = offer
        self._fault: BodyOverdue | None = None

    async def fill(self, block: memoryview) -> int:
        """Put the next bytes of the body into `block`, as `FillsBlocks.fill` promises.

        Raises:
            ClientDisconnect, BodyOverdue, BlobTooLarge: as ever, the first two once all that came
                before has been given.
        """
        pace = self._pace
        while not (self._ended or self._fault):
            self._offer(block, self._timeout_seconds, pace)
            began_at = monotonic()
            message = await self._receive()
            filled = len(self._take(message))
            if pace is not None:
                pace.add(filled, monotonic() - began_at)
            if message.get("overdue", False):
                is_behind = pace is not None and message["behind"]
                self._fault = pace.fault() if pace and is_behind else self._overdue()
            if filled:
                return filled
        if self._fault:
            raise self._fault
        return 0


def receive_body(
    request: Request, timeout_seconds: float, limits: BodyLimits = NO_BODY_LIMITS
) -> IncomingBody:
    """Return the body of a request, to be received in the best way that the server offers.

    Raises:
        BlobTooLarge: its announced length is more than may come.
    """
    if limits.max_bytes is not None:
        length = request.headers.get("content-length", "")
        limits.check(int(length) if length.isdecimal() else 0)
    offered = request.scope.get("extensions", {}).get(EXTENSION)
    if offered is None:
        return IncomingBody(request, timeout_seconds, limits)
    return IncomingBlocks(request, timeout_seconds, offered["offer"], limits)


async def read_body(
    request: Request,
    max_bytes: int,
    timeout_seconds: float,
    limits: BodyLimits = NO_BODY_LIMITS,
) -> bytes:
    """Return the whole body of a request, which is known to be small.

    Raises:
        ManifestTooLarge: it is longer than `max_bytes`; no more than that was read.
        ClientDisconnect: the client hung up before its end.
        BodyOverdue: it was silent too long, or fell behind the pace.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise ManifestTooLarge(limit=max_bytes)
    body = bytearray()
    async for chunk in IncomingBody(request, timeout_seconds, limits):
        body += chunk
        if len(body) > max_bytes:
            raise ManifestTooLarge(limit=max_bytes)
    return bytes(body)


class BlobResponse(PreparedResponse):
    """A range of a blob, read while it is sent, and closed whatever happens.

    The first chunk is read before the answer begins, so that what is gone or cannot be read
    still becomes an error body.
    """

    def __init__(
        self,
        layer: Layer,
        *,
        name: str,
        start: int,
        stop: int,
        status: int,
        headers: PreparedHeaders,
    ) -> None:
        """Prepare to send the bytes `[start, stop)` of `layer` of the repository `name`."""
        super().__init__(headers, status=status)
        self._layer = layer
        self._name = name
        self._start = start
        self._stop = stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer.

        Raises:
            BlobUnknown: the content is gone; nothing has been sent.
            DriverError: it cannot be read.
            TruncatedContentError: it ended too soon, and the connection has to be cut.
        """
        if self._layer.size < _SMALL_BYTES:
            self.body = await self._read_small()
            await super().__call__(scope, receive, send)
            return
        begin = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        wanted = self._stop - self._start
        offered = scope.get("extensions") or {}
        async with await self._open() as source:
            descriptor = source.find_descriptor() if ZERO_COPY in offered else None
            chunk = await source.read(CHUNK_BYTES if descriptor is None else _SMALL_BYTES)
            if not chunk:
                raise self._unknown()
            await send(begin)
            if len(chunk) == wanted:
                await send({"type": "http.response.body", "body": chunk})
                return
            async with create_task_group() as tasks:
                tasks.start_soon(_cancel_on_disconnect, receive, tasks.cancel_scope)
                if descriptor is None:
                    await self._send_rest(send, source, chunk, wanted)
                else:
                    await self._send_file(send, descriptor)
                tasks.cancel_scope.cancel()

    async def _read_small(self) -> bytes:
        content = await self._layer.read_whole() if self._layer.size else b""
        if content is None:
            await self._layer.forget()
            raise self._unknown()
        if len(content) != self._layer.size:
            await self._layer.forget()
            raise self._replaced()
        return content[self._start : self._stop]

    async def _open(self) -> DriverReader:
        async with self._layer.open() as reader:
            source = await reader.open_range(self._start, self._stop)
        if source is None:
            await self._layer.forget()
            raise self._unknown()
        if source.size != self._layer.size:
            await source.aclose()
            await self._layer.forget()
            raise self._replaced()
        return source

    def _replaced(self) -> DriverUnavailable:
        # As a push does with damaged content: asking again helps.
        return DriverUnavailable(str(self._layer.digest), "its size has changed")

    def _unknown(self) -> BlobUnknown:
        return BlobUnknown(digest=str(self._layer.digest), name=self._name)

    async def _send_rest(
        self, send: Send, source: DriverReader, chunk: bytes | memoryview, wanted: int
    ) -> None:
        while True:
            wanted -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": wanted > 0})
            if wanted <= 0:
                return
            chunk = await source.read(CHUNK_BYTES)
            if not chunk:
                raise TruncatedContentError(f"{self._layer.digest}: {wanted} bytes are missing")

    async def _send_file(self, send: Send, descriptor: int) -> None:
        """Have the server send all of the range, what was read to see whether it can be too."""
        for start in range(self._start, self._stop, _WINDOW_BYTES):
            stop = min(start + _WINDOW_BYTES, self._stop)
            try:
                await send(
                    {
                        "type": ZERO_COPY,
                        "file": descriptor,
                        "offset": start,
                        "count": stop - start,
                        "more_body": stop < self._stop,
                    }
                )
            except FileEndedError as error:
                raise TruncatedContentError(f"{self._layer.digest}: {error}") from error


async def _cancel_on_disconnect(receive: Receive, scope: CancelScope) -> None:
    # Servers swallow what is sent to a client that is gone, so that without this the whole blob
    # would be read for nobody.
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
