"""Uvicorn's HTTP protocol with bounds on what a client may send before the application sees it.

Uvicorn over httptools takes headers of any size, waits for ever for their end, takes requests
without a Host, and keeps a connection whose announced body nobody read, so that the next request
is eaten as that body. `GuardedProtocol` closes these four, and answers what it refuses in the
form of the distribution specification.

The bounds travel in the configuration object (`GuardedConfig`), which uvicorn pickles for its
workers. Under a plain `uvicorn --http api.protocol:GuardedProtocol` they are read once from the
settings of the process.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

import httptools
import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from api.cycle import ZERO_COPY, Cycle
from api.refusals import RequestRefused, refusal_answer
from api.request_body import EXTENSION, SMALL_BYTES, RequestBlocks
from api.settings import load_settings
from api.settings_groups import ServerSettings
from api.zerocopy import CAN_SEND_FILES

__all__ = ["LINGER_SECONDS", "GuardedConfig", "GuardedProtocol"]

LINGER_SECONDS = 30
"""How long a closing connection still takes what the client sends, so that the client reads the
answer instead of a reset. Nginx lingers as long."""

_VERSIONS = frozenset({"1.0", "1.1"})
_FIELD_OVERHEAD_BYTES = len(b": \r\n")
_log = structlog.stdlib.get_logger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class GuardedConfig(uvicorn.Config):
    """Uvicorn's configuration together with the limits of a connection."""

    def __init__(self, app: Any, *, limits: ServerSettings, **options: Any) -> None:
        """Keep `limits` where each worker's protocol finds them."""
        super().__init__(app, http=GuardedProtocol, ws="none", **options)
        self.limits = limits


class GuardedProtocol(HttpToolsProtocol):
    """One connection, of which the application sees only well-formed and bounded requests."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Take the limits from `config`, or from the settings of the process."""
        super().__init__(config, server_state, app_state, _loop)
        limits = config.limits if isinstance(config, GuardedConfig) else _process_limits()
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._in_header = False
        # Of the piece in which a request begins, an unknown part belongs to the one before it.
        self._received_bytes = 0
        self._header_bytes_at_least = 0
        self._header_bytes_at_most = 0
        self._has_body = False
        self._can_send_files = False
        self._answering: Cycle | None = None
        self._body_bytes: int | None = None
        self._blocks: RequestBlocks | None = None
        # No further request is taken; the last answer may still be under way.
        self._closing = False
        # The last answer is out, and what the client still sends is dropped.
        self._lingering = False
        # Nothing that arrives is parsed any more.
        self._finished = False

    # What the transport calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a client that opens a connection is to send a request."""
        super().connection_made(transport)
        # What is encrypted has to pass through memory.
        self._can_send_files = (
            CAN_SEND_FILES
            and self.scheme == "http"
            and transport.get_extra_info("socket") is not None
        )
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks of the connection."""
        self._unwatch()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if self._answering is not None:
            self._answering.stop()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; what is refused ends the connection."""
        if self._finished:
            return
        self._received_bytes = len(data)
        if self._in_header:
            self._header_bytes_at_least += self._received_bytes
            self._header_bytes_at_most += self._received_bytes
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
            if self._in_header and self._header_bytes_at_least > self._limits.max_header_bytes:
                self._refuse(_header_too_large(self._limits))
        except httptools.HttpParserUpgrade:
            # No protocol is upgraded to: the request has been handed on as it is.
            pass
        except httptools.HttpParserError as error:
            self._refuse(_as_refusal(error))
        if self._timer is None and self.timeout_keep_alive_task is None and self._is_waiting():
            self._watch()

    def shutdown(self) -> None:
        """Close now if nothing is being answered, else after the answer."""
        if self._lingering:
            self.transport.close()
        else:
            super().shutdown()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin to count the header of a request."""
        if self._closing:
            raise _connection_is_closing()
        super().on_message_begin()
        self._in_header = True
        self._header_bytes_at_least = 0
        self._header_bytes_at_most = self._received_bytes

    def on_headers_complete(self) -> None:
        """Hand the request on if its header is within bounds and says one thing only.

        Raises:
            RequestRefused: it is not; the parser passes this on to `data_received`.
        """
        self._check_header()
        self._in_header = False
        if self._timer is not None:
            self._unwatch()
        super().on_headers_complete()
        self._blocks = self._offer_blocks(self.cycle) if self._has_body else None

    def on_body(self, body: bytes) -> None:
        """Put a piece of the body where it is wanted."""
        if self._blocks is None or not self._blocks.take(body):
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a connection that waited only for the rest of an unwanted body."""
        super().on_message_complete()
        if self._lingering:
            self._finished = True
            self.transport.close()

    def end_body(self) -> None:
        """Go on behind a body that came past the parser, which waits for it in vain."""
        self.transport.set_protocol(self)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.on_message_complete()

    # What uvicorn's own code calls.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.__class__ = Cycle
        assert isinstance(cycle, Cycle)
        self._answering = cycle
        if self._can_send_files and cycle.scope["method"] != "HEAD":
            # A request that waited for its turn has been offered blocks by now.
            offered: dict[str, Any] = cycle.scope.setdefault("extensions", {})
            offered[ZERO_COPY] = {}
        if self._has_body and cycle.more_body:
            app = functools.partial(self._answer_even_early, cycle, app)
        super()._start_asgi_task(cycle, app)

    def _offer_blocks(self, cycle: RequestResponseCycle) -> RequestBlocks | None:
        length = self._body_bytes
        if length is not None and length <= SMALL_BYTES:
            return None
        # It may have to wait for its turn behind an earlier one.
        cycle.__class__ = Cycle
        assert isinstance(cycle, Cycle)
        blocks = cycle.blocks = RequestBlocks(self, cycle, length)
        extensions: dict[str, Any] = cycle.scope.setdefault("extensions", {})
        extensions[EXTENSION] = {"offer": blocks.offer}
        return blocks

    def on_response_complete(self) -> None:
        """Go on to the next request, or close if the body of this one is still to come."""
        super().on_response_complete()
        if not self._closing:
            return
        if self.cycle.more_body:
            self._linger()
        else:
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a client may offer an upgrade with every request it makes."""

    async def _answer_even_early(
        self,
        cycle: RequestResponseCycle,
        app: App,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
    ) -> None:
        """Run `app` so that an answer before the end of the body closes the connection."""

        async def send_and_mark(message: Message) -> None:
            if message["type"] != "http.response.start" or not cycle.more_body:
                await send(message)
                return
            self._closing = True
            cycle.keep_alive = False
            await send(message)
            # Uvicorn would close at the end of the answer, and the client that is still sending
            # would see a reset in its place. `on_response_complete` closes with patience.
            cycle.keep_alive = True

        await app(scope, receive, send_and_mark)

    # Checks.

    def _check_header(self) -> None:
        limits = self._limits
        # What arrived since the request began bounds its header, so that the exact size, which
        # takes a look at every field, is only asked for where it could be too large.
        if self._header_bytes_at_most > limits.max_header_bytes and (
            _header_size(self.url, self.headers) > limits.max_header_bytes
        ):
            raise _header_too_large(limits)
        names = [name for name, _ in self.headers]
        if len(names) > limits.max_header_count:
            raise _too_many_headers(limits)
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            raise _version_unsupported()
        hosts = names.count(b"host")
        if hosts != 1 and (hosts or version != "1.0"):
            raise _bad_request(f"expected one Host header, got {hosts}")
        self._has_body = b"content-length" in names
        self._body_bytes = None
        if self._has_body:
            self._body_bytes = int(self.headers[names.index(b"content-length")][1])
        if b"transfer-encoding" in names:
            self._has_body = True
            _check_coding(self.headers, version)

    # Clocks and endings.

    def _is_waiting(self) -> bool:
        """Say whether the client owes the next header, and no other clock is running."""
        if self._closing or self._finished or self.transport.is_closing():
            return False
        cycle: RequestResponseCycle | None = self.cycle
        return self._in_header or cycle is None or cycle.response_complete

    def _watch(self) -> None:
        if self._limits.header_timeout_seconds:
            self._timer = self.loop.call_later(
                self._limits.header_timeout_seconds, self._header_overdue
            )

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _header_overdue(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._in_header:
            self._refuse(
                RequestRefused(
                    HTTPStatus.REQUEST_TIMEOUT,
                    "REQUEST_TIMEOUT",
                    "the request header took too long",
                    {"header_timeout_seconds": self._limits.header_timeout_seconds},
                )
            )
        else:
            self.transport.close()

    def _refuse(self, refused: RequestRefused) -> None:
        """Answer in the application's place, and end the connection once the client has it."""
        if self._finished or self.transport.is_closing():
            return
        self._finished = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                # An earlier request is still being answered: its answer is the last one.
                cycle.keep_alive = False
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        elif self._closing:
            self.transport.close()
            return
        _log.info(
            "request refused",
            status=refused.status.value,
            code=refused.code,
            reason=refused.message,
            client=f"{self.client[0]}:{self.client[1]}" if self.client else None,
        )
        is_head = bool(self._in_header and self.url and self.parser.get_method() == b"HEAD")
        self.transport.write(
            refusal_answer(refused, self.server_state.default_headers, with_body=not is_head)
        )
        self._linger()

    def _linger(self) -> None:
        """Take in and drop what the client still sends, then close."""
        self._closing = self._lingering = True
        self._unwatch()
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)


@functools.cache
def _process_limits() -> ServerSettings:
    return load_settings().server


def _header_size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) + _FIELD_OVERHEAD_BYTES for name, value in headers)


def _check_coding(headers: list[tuple[bytes, bytes]], version: str) -> None:
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if any(name == b"content-length" for name, _ in headers):
        raise _bad_request("expected Content-Length or Transfer-Encoding, got both")
    if len(codings) > 1:
        raise _bad_request("expected one Transfer-Encoding header, got more")
    if version == "1.0":
        raise _bad_request("HTTP/1.0 has no Transfer-Encoding")
    if codings[0].strip().lower() != b"chunked":
        raise RequestRefused(
            HTTPStatus.NOT_IMPLEMENTED, "UNSUPPORTED", "the only Transfer-Encoding is chunked"
        )


def _as_refusal(error: httptools.HttpParserError) -> RequestRefused:
    """Give the refusal that a callback raised, or one for what the parser itself found."""
    cause = error.__context__
    if isinstance(cause, RequestRefused):
        return cause
    return _bad_request("the request is not valid HTTP/1.1")


def _bad_request(message: str) -> RequestRefused:
    return RequestRefused(HTTPStatus.BAD_REQUEST, "REQUEST_INVALID", message)


def _connection_is_closing() -> RequestRefused:
    return _bad_request("the connection is closing")


def _version_unsupported() -> RequestRefused:
    return RequestRefused(
        HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "UNSUPPORTED", "the only HTTP version is 1.1"
    )


def _header_too_large(limits: ServerSettings) -> RequestRefused:
    return RequestRefused(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "HEADERS_TOO_LARGE",
        "the request header is too large",
        {"max_header_bytes": limits.max_header_bytes},
    )


def _too_many_headers(limits: ServerSettings) -> RequestRefused:
    return RequestRefused(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "HEADERS_TOO_LARGE",
        "the request has too many header fields",
        {"max_header_count": limits.max_header_count},
    )
