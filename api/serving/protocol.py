"""Uvicorn's HTTP protocol with bounds on what a client may send before the application sees it.

Uvicorn over httptools takes headers of any size, waits for ever for their end, takes requests
without a Host, and keeps a connection whose announced body nobody read, so that the next request
is eaten as that body. `GuardedProtocol` closes these four, and answers what it refuses in the
form of the distribution specification.

The bounds travel in the configuration object (`GuardedConfig`), which uvicorn pickles for its
workers. Under a plain `uvicorn --http api.serving.protocol:GuardedProtocol` they are read once from
the settings of the process.
"""

import asyncio
import functools
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

import httptools
import structlog
import uvicorn
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from api.serving.client_certificates import TLS, describe_connection
from api.serving.clock import Clock
from api.serving.cycle import ZERO_COPY, Cycle
from api.serving.exchange import App, Message, Receive, Send
from api.serving.prepared import WHOLE
from api.serving.refusals import RequestRefused, refusal_answer
from api.serving.request_body import EXTENSION, SMALL_BYTES, RequestBlocks
from api.serving.request_head import (
    AnnouncedBody,
    bad_request,
    check_fields,
    check_size,
    header_too_large,
    split_target,
)
from api.serving.turns import Turns
from api.serving.zerocopy import CAN_SEND_FILES
from api.settings import load_settings
from api.settings.groups import ServerSettings

__all__ = ["LINGER_SECONDS", "GuardedConfig", "GuardedProtocol"]

LINGER_SECONDS = 30
"""How long a closing connection still takes what the client sends, so that the client reads the
answer instead of a reset. Nginx lingers as long."""

_log = structlog.stdlib.get_logger(__name__)


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
        self._clock = Clock(self.loop)
        self._turns = Turns.of(self.loop)
        # Whether the clock is that of a connection with nothing asked for.
        self._is_idle = False
        self._in_header = False
        # Of the piece in which a request begins, an unknown part belongs to the one before it.
        self._received_bytes = 0
        self._header_bytes_at_least = 0
        self._header_bytes_at_most = 0
        self._can_send_files = False
        # The extension of ASGI that tells of TLS, where that is spoken.
        self._tls: dict[str, Any] | None = None
        self._answering: Cycle | None = None
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
        self._tls = describe_connection(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock of the connection."""
        self._clock.close()
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
        if self._is_idle:
            self._is_idle = False
            self._clock.stop()
        try:
            self.parser.feed_data(data)
            if self._in_header and self._header_bytes_at_least > self._limits.max_header_bytes:
                self._refuse(header_too_large(self._limits))
        except httptools.HttpParserUpgrade:
            # No protocol is upgraded to: the request has been handed on as it is.
            pass
        except httptools.HttpParserError as error:
            self._refuse(_as_refusal(error, data))
        if not self._clock.is_set and self._is_waiting():
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
            raise bad_request("the connection is closing")
        self.url = b""
        self.headers = []
        self._in_header = True
        self._header_bytes_at_least = 0
        self._header_bytes_at_most = self._received_bytes

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Hand the request on if its header is within bounds and says one thing only.

        Raises:
            RequestRefused: it is not; the parser passes this on to `data_received`.
        """
        # What arrived since the request began bounds its header, so that the exact size, which
        # takes a look at every field, is only asked for where it could be too large.
        if self._header_bytes_at_most > self._limits.max_header_bytes:
            check_size(self.url, self.headers, self._limits)
        version = self.parser.get_http_version()
        body = check_fields(self.headers, version, self._limits)
        self._in_header = False
        if self._clock.is_set:
            self._clock.stop()
        earlier: RequestResponseCycle | None = self.cycle
        cycle = self.cycle = Cycle(
            self,
            self._make_scope(version, has_body=body is not None),
            expects_continue=body is not None and body.expects_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
        )
        app = self.app if self.limit_concurrency is None else self._limited_app()
        self._blocks = None
        if body is not None:
            self._blocks = self._offer_blocks(cycle, body)
            app = functools.partial(self._answer_even_early, cycle, app)
        if earlier is None or earlier.response_complete:
            self._start_asgi_task(cycle, app)
        else:
            # It waits for its turn behind an earlier one.
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))

    def on_body(self, body: bytes) -> None:
        """Put a piece of the body where it is wanted."""
        if self._blocks is None or not self._blocks.take(body):
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a connection that waited only for the rest of an unwanted body."""
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            assert isinstance(cycle, Cycle)
            cycle.wake()
        if self._lingering:
            self._finished = True
            self.transport.close()

    def end_body(self) -> None:
        """Go on behind a body that came past the parser, which waits for it in vain."""
        self.transport.set_protocol(self)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.on_message_complete()

    # What uvicorn's own code, or a cycle of it, calls.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        assert isinstance(cycle, Cycle)
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Go on to the next request, or close if the body of this one is still to come."""
        self.server_state.total_requests += 1
        if self._turns.senders and self._answering and not self._answering.has_sent_file:
            self._turns.notice_answer()
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            else:
                self._is_idle = True
                self._clock.set(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if not self._closing:
            return
        if self.cycle.more_body:
            self._linger()
        else:
            self.transport.close()

    # The parts of a request.

    def _make_scope(self, version: str, *, has_body: bool) -> MutableMapping[str, Any]:
        method = self.parser.get_method().decode("ascii")
        path, raw_path, query = split_target(self.url)
        extensions: dict[str, Any] = {}
        if not has_body:
            # With a body, an answer may have to be marked as one before its end.
            extensions[WHOLE] = {}
        if self._can_send_files and method != "HEAD":
            extensions[ZERO_COPY] = {}
        if self._tls is not None:
            extensions[TLS] = self._tls
        return {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "method": method,
            "path": self.root_path + path,
            "raw_path": self.root_path.encode("ascii") + raw_path,
            "query_string": query,
            "headers": self.headers,
            "state": self.app_state.copy(),
            "extensions": extensions,
        }

    def _offer_blocks(self, cycle: Cycle, body: AnnouncedBody) -> RequestBlocks | None:
        if body.length is not None and body.length <= SMALL_BYTES:
            return None
        blocks = cycle.blocks = RequestBlocks(self, cycle, body.length)
        cycle.scope["extensions"][EXTENSION] = {"offer": blocks.offer}
        return blocks

    def _limited_app(self) -> Any:
        """Return what answers where uvicorn has been told how much may go on at once."""
        limit = self.limit_concurrency
        if limit is None or (len(self.connections) < limit and len(self.tasks) < limit):
            return self.app
        _log.warning("request refused", reason="limit_concurrency is reached")
        return service_unavailable

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

    # The clock, and endings.

    def _is_waiting(self) -> bool:
        """Say whether the client owes the next header, and no other clock is running."""
        if self._closing or self._finished or self.transport.is_closing():
            return False
        cycle: RequestResponseCycle | None = self.cycle
        return self._in_header or cycle is None or cycle.response_complete

    def _watch(self) -> None:
        if self._limits.header_timeout_seconds:
            self._clock.set(self._limits.header_timeout_seconds, self._header_overdue)

    def _header_overdue(self) -> None:
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
        self._clock.stop()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._clock.set(LINGER_SECONDS, self.transport.close)


@functools.cache
def _process_limits() -> ServerSettings:
    return load_settings().server


def _as_refusal(error: httptools.HttpParserError, data: bytes) -> RequestRefused:
    """Give the refusal that a callback raised, or one for what the parser itself found."""
    cause = error.__context__
    if isinstance(cause, RequestRefused):
        return cause
    # RFC 8446, section 5.1: a record of type handshake.
    is_tls = data.startswith(b"\x16\x03")
    return bad_request(
        "this port speaks plain HTTP, not TLS" if is_tls else "the request is not valid HTTP/1.1"
    )
