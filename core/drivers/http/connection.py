"""One connection of HTTP/1.1 (RFC 9112), over which one request is answered after the other.

Heads, and content in chunks, are read by a parser. Content whose length is known is received by the
transport straight into blocks that are handed on as they are filled.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import httptools

__all__ = ["AnswerHead", "HttpConnection"]

_SCRATCH_BYTES = 64 * 1024
_BLOCK_BYTES = 1024 * 1024
_MOST_READY_BYTES = 1024 * 1024
"""What may wait to be read before the store is kept waiting."""

_JOINED_BYTES = 64 * 1024
"""What is sent together with the head, in one call of the system."""

_WRITE_AHEAD_BYTES = 512 * 1024
_CONTINUE = range(100, 200)
_NO_CONTENT = frozenset({204, 304})


class AnswerHead:
    """What comes before the content of an answer.

    Attributes:
        status: of the answer.
        headers: by their names in lower case.
        length: of the content in bytes, or None if only its end tells.
    """

    __slots__ = ("headers", "length", "status")

    def __init__(self, status: int, headers: Mapping[str, str], length: int | None) -> None:
        self.status = status
        self.headers = headers
        self.length = length


class HttpConnection(asyncio.BufferedProtocol):
    """A connection that is in use by one caller at a time.

    `exchange` sends a request and returns the head of its answer; then `read` gives the content,
    until it has ended. Both raise `ConnectionError` where the other side hangs up, or says what is
    not HTTP, and `TimeoutError` where it is silent for longer than `timeout_seconds`, or takes
    nothing. After that, and after a call that was cancelled, the connection can only be closed.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[None] | None = None
        self._scratch = memoryview(bytearray(_SCRATCH_BYTES))
        self._is_writable = True
        self._is_lost = False
        self._is_reading = True
        self._is_reusable = True
        self._forget(without_content=False)

    def _forget(self, *, without_content: bool) -> None:
        """Forget the last answer, to expect another."""
        self._parser = httptools.HttpResponseParser(self)
        self._without_content = without_content
        self._headers: dict[str, str] = {}
        self._head: AnswerHead | None = None
        self._failure: str = ""
        self._is_ended = False
        self._ready: deque[memoryview | bytes] = deque()
        self._ready_bytes = 0
        # How much of the content is still to come, as soon as the parser is done with the rest.
        self._direct_bytes = 0
        self._block: memoryview | None = None
        self._given = self._filled = 0

    # What the caller of a request needs.

    @property
    def is_idle(self) -> bool:
        """Whether another request can be sent."""
        return self._is_ended and self._is_reusable and not self._is_lost

    @property
    def has_answered(self) -> bool:
        """Whether the answer has begun."""
        return self._head is not None or bool(self._headers)

    async def exchange(
        self, head: bytes, content: Iterable[bytes | bytearray], *, without_content: bool
    ) -> AnswerHead:
        """Send a request, and return the head of its answer.

        Args:
            head: of the request, with the length of its content.
            content: what follows the head, in pieces.
            without_content: whether the answer has none, whatever its head says, as those to HEAD.
        """
        self._forget(without_content=without_content)
        self._read_on()
        for piece in _joined(head, content):
            self._transport.write(piece)
            while not self._is_writable and self._head is None:
                await self._wait()
            if self._head is not None:
                # It has seen enough, and what is left of the request is in the way of another.
                self._is_reusable = False
                break
        while self._head is None:
            await self._wait()
        return self._head

    async def read(self, max_bytes: int) -> bytes | memoryview:
        """Return the next bytes of the content, which nobody changes, or none at its end."""
        while not self._ready_bytes:
            if self._is_ended:
                return b""
            await self._wait()
        piece = self._take_piece(max_bytes)
        self._ready_bytes -= len(piece)
        if self._ready_bytes < _MOST_READY_BYTES:
            self._read_on()
        return piece

    def close(self) -> None:
        """Close the connection at once; what is on its way is lost."""
        self._transport.abort()

    def _take_piece(self, max_bytes: int) -> bytes | memoryview:
        if not self._ready:
            # Of the block that is being filled.
            assert self._block is not None
            start, self._given = self._given, min(self._filled, self._given + max_bytes)
            return self._block[start : self._given]
        piece = self._ready.popleft()
        if len(piece) > max_bytes:
            self._ready.appendleft(piece[max_bytes:])
        return piece[:max_bytes]

    async def _wait(self) -> None:
        """Wait until something has happened.

        Raises:
            ConnectionError: nothing more will.
            TimeoutError: nothing has.
        """
        if self._failure:
            raise ConnectionError(self._failure)
        if self._is_lost:
            raise ConnectionResetError("the connection was closed")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._waiter
        finally:
            self._waiter = None

    def _read_on(self) -> None:
        if not self._is_reading:
            self._is_reading = True
            self._transport.resume_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # Those of uvloop are no subclasses of what they stand for.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(_WRITE_AHEAD_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that nothing more comes."""
        self._is_lost = True
        self._wake()

    def eof_received(self) -> None:
        """End an answer whose end is that of the connection; the transport closes itself then."""
        self._is_reusable = False
        if self._head is not None and self._head.length is None and not self._is_ended:
            self._end_by_close()

    def pause_writing(self) -> None:
        """Take note that the transport has enough to send."""
        self._is_writable = False

    def resume_writing(self) -> None:
        """Take note that it wants more."""
        self._is_writable = True
        self._wake()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the transport where to put what comes."""
        if not self._direct_bytes:
            return self._scratch
        if self._block is None:
            self._block = memoryview(bytearray(min(_BLOCK_BYTES, self._direct_bytes)))
        return self._block[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has come."""
        if self._block is not None:
            self._take_directly(self._block, nbytes)
        else:
            self._parse(nbytes)
        if self._ready_bytes >= _MOST_READY_BYTES and self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()
        self._wake()

    def _take_directly(self, block: memoryview, nbytes: int) -> None:
        self._ready_bytes += nbytes
        self._direct_bytes -= nbytes
        self._filled += nbytes
        if self._filled == len(block):
            if self._given < self._filled:
                self._ready.append(block[self._given :])
            self._block, self._given, self._filled = None, 0, 0
            self._is_ended = not self._direct_bytes

    def _parse(self, nbytes: int) -> None:
        if self._is_ended or self._failure:
            # Nobody has asked.
            self._is_reusable = False
            return
        try:
            self._parser.feed_data(bytes(self._scratch[:nbytes]))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, ValueError):
            self._failure = "the answer is not HTTP"
            self._is_reusable = False
            return
        self._leave_parser()

    def _leave_parser(self) -> None:
        """Receive the rest of the content without the parser, where its length is known."""
        head = self._head
        if head is not None and head.length is not None and not self._is_ended:
            self._direct_bytes = head.length - self._ready_bytes

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; of several with one name, the last counts, and none behind the content."""
        if self._head is None:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Take the head, unless it only says that another one comes."""
        if self._head is not None:
            raise ValueError("nobody has asked for another answer")
        status = self._parser.get_status_code()
        if status in _CONTINUE:
            self._headers = {}
            return
        if not self._parser.should_keep_alive():
            self._is_reusable = False
        chunked = "transfer-encoding" in self._headers
        length = None if chunked else _length(self._headers.get("content-length"))
        if self._without_content or status in _NO_CONTENT:
            length = 0
            self._is_ended = True
        self._head = AnswerHead(status, self._headers, length)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the content."""
        self._ready.append(body)
        self._ready_bytes += len(body)

    def on_message_complete(self) -> None:
        """Take the end."""
        if self._head is not None:
            self._is_ended = True

    def _end_by_close(self) -> None:
        # In chunks, the last of them is missing.
        if self._head is not None and "transfer-encoding" not in self._head.headers:
            self._is_ended = True
        self._wake()


def _joined(head: bytes, content: Iterable[bytes | bytearray]) -> Iterator[bytes | bytearray]:
    """Yield a request in pieces, with small content in one with its head."""
    pieces = iter(content)
    first = next(pieces, b"")
    if len(first) <= _JOINED_BYTES:
        yield head + first
    else:
        yield head
        yield first
    yield from pieces


def _length(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise ValueError("the length is not a number")
    return int(text)
