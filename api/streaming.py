"""Bodies, in and out, in chunks and never whole."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

from anyio import CancelScope, create_task_group, fail_after
from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.errors import BodyOverdue
from core.errors import BlobUnknown, DriverUnavailable, ManifestTooLarge
from core.storage import Layer

__all__ = ["BlobResponse", "TruncatedContentError", "read_body", "receive_chunks"]


class TruncatedContentError(Exception):
    """Stored content that ends before its size, found after the answer had begun."""


async def receive_chunks(request: Request, timeout_seconds: float) -> AsyncGenerator[bytes, None]:
    """Yield the body of a request as it comes.

    Args:
        request: whose body nobody has read yet.
        timeout_seconds: the longest silence of the client; 0 is no limit.

    Raises:
        ClientDisconnect: the client hung up before the body's end.
        BodyOverdue: it was silent too long.
    """
    async with aclosing(request.stream()) as stream:
        while True:
            try:
                with fail_after(timeout_seconds or None):
                    chunk = await anext(stream, None)
            except TimeoutError:
                raise BodyOverdue(timeout_seconds) from None
            if chunk is None:
                return
            if chunk:
                yield chunk


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
    async with aclosing(receive_chunks(request, timeout_seconds)) as chunks:
        async for chunk in chunks:
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
