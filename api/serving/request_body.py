"""Bodies of requests in large blocks, which the application gives and the server fills in place.

Server and application agree on it by an extension of ASGI. Where `scope["extensions"]` has
`moorage.request_blocks`, its `offer` takes a block of memory, and a number of seconds that the
client may be silent (0 for no limit). The next `receive` fills it: its "http.request" comes when
the block is full or the body has ended or broken off, and its "body" is a view of what came, in
that block. Where the client was silent too long, the message has `"overdue": True`, and what came
before the silence. A `BodyPace` may be given as well: a client that falls behind it is `"overdue"`
too, and then the message also has `"behind": True`. The server forgets the block with that message.
Without an offer, `receive` is what it always is.
"""

import asyncio
from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from api.serving.body_pace import BodyPace

__all__ = ["EXTENSION", "SMALL_BYTES", "Connection", "RequestBlocks"]

EXTENSION = "moorage.request_blocks"

SMALL_BYTES = 64 * 1024
"""What comes, or is left to come, has to be more than this to be worth the change."""

_SCRATCH = memoryview(bytearray(64 * 1024))
"""Where bytes go that nobody wants; nobody reads them."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Any]]


class Connection(Protocol):
    """What a body needs of the protocol of its connection."""

    transport: asyncio.Transport
    flow: FlowControl
    loop: asyncio.AbstractEventLoop

    def end_body(self) -> None:
        """Go on behind a body that the parser has not seen to its end."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the connection is gone."""

    def pause_writing(self) -> None:
        """Take note that the transport wants no more for now."""

    def resume_writing(self) -> None:
        """Take note that it does again."""


class RequestBlocks(asyncio.BufferedProtocol):
    """The body of one request.

    What the parser hands on is copied into the block, which is one copy more than needed. So a
    body whose length is known is read by the transport itself: while this object is the protocol
    of the connection, the bytes go from the system straight into the block, and never more than
    the body has, so that the parser finds the next request whole.
    """

    def __init__(
        self, connection: Connection, cycle: RequestResponseCycle, length: int | None
    ) -> None:
        """Prepare for a body of `length` bytes, none of which has come; None if nobody knows."""
        self._connection = connection
        self._cycle = cycle
        self._left = length
        self._is_direct = False
        self._offered: memoryview | None = None
        self._block: memoryview | None = None
        self._filled = 0
        self._silence_seconds = 0.0
        self._last_byte_at = 0.0
        self._is_overdue = False
        self._pace: BodyPace | None = None
        self._is_behind = False
        self._began_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # What the application calls.

    def offer(
        self, block: memoryview, silence_seconds: float, pace: BodyPace | None = None
    ) -> None:
        """Take a block, not empty, for the next call of `receive`."""
        self._offered = block
        self._silence_seconds = silence_seconds
        self._pace = pace

    async def receive(self, receive: Receive) -> Message:
        """Return the next message of the request; `receive` does for what is not in blocks."""
        block, self._offered = self._offered, None
        if block is None and not self._is_direct:
            message: Message = await receive()
            return message
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not self._connection.transport.is_closing():
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        block = memoryview(bytearray(SMALL_BYTES)) if block is None else block
        await self._fill(block)
        if self._is_gone() and not self._filled:
            return {"type": "http.disconnect"}
        more_body = cycle.more_body or bool(cycle.body)
        message = {"type": "http.request", "body": block[: self._filled], "more_body": more_body}
        if self._is_overdue:
            message["overdue"] = True
            message["behind"] = self._is_behind
        if not more_body:
            self._stop_clock()
        return message

    # What the parser's callbacks call.

    def take(self, piece: bytes) -> bool:
        """Count a piece of the body; say whether it went into a block, or has to be kept."""
        if self._left is not None:
            self._left -= len(piece)
        block = self._block
        if block is None:
            return False
        taken = min(len(piece), len(block) - self._filled)
        if taken == len(piece):
            block[self._filled : self._filled + taken] = piece
        else:
            block[self._filled :] = memoryview(piece)[:taken]
            self._cycle.body += memoryview(piece)[taken:]
        self._add(taken)
        return True

    # What the transport calls while this object is the protocol of the connection.

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where the next bytes of the body go."""
        assert self._left is not None
        if self._block is not None:
            return self._block[self._filled : self._filled + self._left]
        if self._is_gone():
            return _SCRATCH[: self._left]
        raise RuntimeError("bytes of a body have come that nobody has asked for")

    def buffer_updated(self, nbytes: int) -> None:
        """Count bytes that have come, and go back to the parser behind the last."""
        assert self._left is not None
        self._left -= nbytes
        if self._block is not None:
            self._add(nbytes)
        if not self._left:
            self._is_direct = False
            self._connection.end_body()

    def eof_received(self) -> None:
        """Let the transport close: the body will never be whole."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._connection.resume_writing()

    # Inside.

    async def _fill(self, block: memoryview) -> None:
        cycle, flow = self._cycle, self._connection.flow
        self._filled, self._is_overdue = min(len(cycle.body), len(block)), False
        block[: self._filled] = memoryview(cycle.body)[: self._filled]
        del cycle.body[: self._filled]
        self._block = block
        try:
            if self._is_filling():
                self._become_direct()
                self._start_clock()
                flow.resume_reading()
            while self._is_filling():
                cycle.message_event.clear()
                await cycle.message_event.wait()
        except BaseException:
            # A later call gives what has come.
            cycle.body[:0] = block[: self._filled]
            raise
        finally:
            self._block = None
            # A call without a block takes this event to say that something is there.
            if cycle.body:
                cycle.message_event.set()
            else:
                cycle.message_event.clear()
            if self._is_direct and not self._is_gone():
                flow.pause_reading()

    def _add(self, count: int) -> None:
        self._filled += count
        self._last_byte_at = self._connection.loop.time()
        assert self._block is not None
        if self._filled == len(self._block):
            self._connection.flow.pause_reading()
            self._cycle.message_event.set()

    def _is_filling(self) -> bool:
        if self._block is None or self._filled == len(self._block) or self._is_overdue:
            return False
        return self._cycle.more_body and not self._is_gone()

    def _is_gone(self) -> bool:
        """Say whether nobody wants the rest of the body, or it will never come."""
        return self._cycle.disconnected or self._cycle.response_complete

    def _become_direct(self) -> None:
        transport = self._connection.transport
        if (
            self._left is not None
            and self._left > SMALL_BYTES
            and not self._is_direct
            and not transport.is_closing()
            # What is encrypted comes from elsewhere than the transport reads.
            and transport.get_extra_info("sslcontext") is None
        ):
            self._is_direct = True
            transport.set_protocol(self)

    # The clock runs on from block to block, as setting it anew for each would cost more.

    def _start_clock(self) -> None:
        self._began_at = self._last_byte_at = self._connection.loop.time()
        if self._timer is None:
            self._set_clock(self._silence_seconds or float("inf"))

    def _set_clock(self, seconds: float) -> None:
        if self._pace is not None:
            seconds = min(seconds, self._pace.look_seconds)
        if seconds < float("inf"):
            self._timer = self._connection.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._block is None:
            # It is the application that lets the client wait.
            return
        now = self._connection.loop.time()
        left = self._last_byte_at + (self._silence_seconds or float("inf")) - now
        pace = self._pace
        self._is_behind = pace is not None and pace.is_behind(self._filled, now - self._began_at)
        if left > 0 and not self._is_behind:
            self._set_clock(left)
        else:
            self._is_overdue = True
            self._cycle.message_event.set()

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
