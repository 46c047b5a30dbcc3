"""Bodies, in and out, in chunks and never whole."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing

from anyio import CancelScope, create_task_group, fail_after
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.errors import BodyOverdue
from api.request_body import EXTENSION
from core.errors import BlobUnknown, DriverUnavailable, ManifestTooLarge
from core.storage import Layer

__all__ = ["BlobResponse", "TruncatedContentError", "read_body", "receive_body"]


class TruncatedContentError(Exception):
    """Stored content that ends before its size, found after the answer had begun."""


class IncomingBody(AsyncIterator[bytes]):
    """The body of a request, in chunks as they come.

    Each call may raise:
        ClientDisconnect: the client hung up before the body's end.
        BodyOverdue: it was silent too long.
    """

    def __init__(self, request: Request, timeout_seconds: float) -> None:
        """Take in the body of `request`, which nobody has read yet.

        The longest silence of the client is `timeout_seconds`; 0 is no limit.
        """
        self._receive = request.receive
        self._timeout_seconds = timeout_seconds
        self._ended = False

    async def __anext__(self) -> bytes:
        """Return the next chunk, which is not empty."""
        while not self._ended:
            try:
                with fail_after(self._timeout_seconds or None):
                    chunk = self._take(await self._receive())
            except TimeoutError:
                raise BodyOverdue(self._timeout_seconds) from None
            if chunk:
                return bytes(chunk)
        raise StopAsyncIteration

    def _take(self, message: Message) -> bytes | memoryview:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._ended = not message.get("more_body", False)
        chunk: bytes | memoryview = message.get("body", b"")
        return chunk


class IncomingBlocks(IncomingBody):
    """The same, and whoever gives blocks for it has them filled in place by the server."""

    def __init__(
        self,
        request: Request,
        timeout_seconds: float,
        offer: Callable[[memoryview, float], None],
    ) -> None:
        """Prepare the same; `offer` is that of the extension in `api/request_body.py`."""
        super().__init__(request, timeout_seconds)
        self._offer = offer
        self._overdue = False

    async def fill(self, block: memoryview) -> int:
        """Put the next bytes of the body into `block`, as `FillsBlocks.fill` promises.

        Raises:
            ClientDisconnect, BodyOverdue: as ever, once all that came before has been given.
        """
        while not (self._ended or self._overdue):
            self._offer(block, self._timeout_seconds)
            message = await self._receive()
            filled = len(self._take(message))
            self._overdue = message.get("overdue", False)
            if filled:
                return filled
        if self._overdue:
            raise BodyOverdue(self._timeout_seconds)
        return 0


def receive_body(request: Request, timeout_seconds: float) -> IncomingBody:
    """Return the body of a request, to be received in the best way that the server offers."""
    offered = request.scope.get("extensions", {}).get(EXTENSION)
    if offered is None:
        return IncomingBody(request, timeout_seconds)
    return IncomingBlocks(request, timeout_seconds, offered["offer"])


async def read_body(request: Request, max_bytes: int, timeout_seconds: float) -> bytes:
    """Return the whole body of a request, which is known to be small.

    Raises:
        ManifestTooLarge: it is longer than `max_bytes`; no more than that was read.
        ClientDisconnect: the client hung up before its end.
        BodyOverdue: it was silent too long.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise ManifestTooLarge(limit=max_bytes)
    body = bytearray()
    async for chunk in IncomingBody(request, timeout_seconds):
        body += chunk
        if len(body) > max_bytes:
            raise ManifestTooLarge(limit=max_bytes)
    return bytes(body)


class BlobResponse(Response):
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
        headers: Mapping[str, str],
    ) -> None:
        """Prepare to send the bytes `[start, stop)` of `layer` of the repository `name`."""
        super().__init__(
            status_code=status, headers={**headers, "Content-Length": str(stop - start)}
        )
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
        async with (
            self._layer.open() as reader,
            aclosing(reader.chunks(self._start, self._stop)) as chunks,
        ):
            wanted = self._stop - self._start
            chunk = await anext(chunks, b"") if wanted else b""
            if wanted and reader.found_size != self._layer.size:
                await self._layer.forget()
                if reader.found_size is not None:
                    # It was replaced, as a push does with damaged content: asking again helps.
                    raise DriverUnavailable(str(self._layer.digest), "its size has changed")
            if wanted and not chunk:
                raise BlobUnknown(digest=str(self._layer.digest), name=self._name)
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            if len(chunk) == wanted:
                await send({"type": "http.response.body", "body": chunk})
                return
            async with create_task_group() as tasks:
                tasks.start_soon(_cancel_on_disconnect, receive, tasks.cancel_scope)
                await self._send_rest(send, chunks, chunk, wanted)
                tasks.cancel_scope.cancel()

    async def _send_rest(
        self, send: Send, chunks: AsyncIterator[bytes], chunk: bytes, wanted: int
    ) -> None:
        while True:
            wanted -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": wanted > 0})
            if wanted <= 0:
                return
            chunk = await anext(chunks, b"")
            if not chunk:
                raise TruncatedContentError(f"{self._layer.digest}: {wanted} bytes are missing")


async def _cancel_on_disconnect(receive: Receive, scope: CancelScope) -> None:
    # Servers swallow what is sent to a client that is gone, so that without this the whole blob
    # would be read for nobody.
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
