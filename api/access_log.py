"""The request id and the access line of each request, as plain ASGI."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_plus
from uuid import uuid4

import structlog

__all__ = ["AccessLogMiddleware"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CLIENT_CLOSED_REQUEST = 499
"""The status logged where the client hung up; nothing was answered with it."""

_SANE_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_SHOWN_PARAMETERS = frozenset(
    {"artifactType", "digest", "from", "last", "mount", "n", "offset", "tag"}
)
_log = structlog.get_logger(__name__)


class AccessLogMiddleware:
    """Gives each request an id that all of its log lines carry, and logs it once it is over.

    The id is the client's `X-Request-Id` where that is 1 to 128 printable ASCII characters, else
    a new one, and is answered as `X-Request-Id`.
    """

    def __init__(self, app: App, *, enabled: bool = True) -> None:
        """Wrap `app`; without `enabled` there are ids but no access lines."""
        self._app = app
        self._enabled = enabled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        tokens = structlog.contextvars.bind_contextvars(request_id=exchange.request_id.decode())
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            if self._enabled:
                exchange.log()
            structlog.contextvars.reset_contextvars(**tokens)


class _Exchange:
    """What passes between a client and the application in one request, counted."""

    __slots__ = (
        "_complete",
        "_hung_up",
        "_receive",
        "_received_bytes",
        "_scope",
        "_send",
        "_sent_bytes",
        "_started",
        "_status",
        "_user_agent",
        "request_id",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._started = time.perf_counter()
        self._status: int | None = None
        self._received_bytes = 0
        self._sent_bytes = 0
        self._hung_up = False
        self._complete = False
        self._user_agent = b""
        self.request_id = b""
        for name, value in scope["headers"]:
            if name == b"user-agent":
                self._user_agent = value
            elif name == b"x-request-id" and _SANE_REQUEST_ID.fullmatch(value):
                self.request_id = value
        if not self.request_id:
            self.request_id = uuid4().hex.encode()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received_bytes += len(message.get("body", b""))
        elif not self._complete:
            self._hung_up = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self.request_id)]
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            self._sent_bytes += len(message.get("body", b""))
            # Marked before the last bytes go out: uvicorn tells a finished request from a
            # client that hung up by nothing but the order of these two.
            self._complete = not message.get("more_body", False)
        await self._send(message)

    def log(self) -> None:
        scope = self._scope
        fields: dict[str, object] = {
            "method": scope["method"],
            "path": (scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
            "status": self._logged_status(),
            "received_bytes": self._received_bytes,
            "sent_bytes": self._sent_bytes,
            "duration_ms": round((time.perf_counter() - self._started) * 1000, 3),
            "client": _address(scope.get("client")),
            "user_agent": self._user_agent.decode("latin-1"),
        }
        if scope["query_string"]:
            fields["query"] = _shown_query(scope["query_string"])
        if not self._complete and not self._hung_up:
            fields["cut"] = True
        _log.info("request", **fields)

    def _logged_status(self) -> int:
        if self._hung_up:
            return CLIENT_CLOSED_REQUEST
        # The server answers with 500 for an application that ended without an answer.
        return self._status or HTTPStatus.INTERNAL_SERVER_ERROR.value


def _address(client: tuple[str, int] | None) -> str | None:
    if client is None:
        return None
    # A proxy that names the client need not tell its port.
    return f"{client[0]}:{client[1]}" if client[1] else client[0]


def _shown_query(query: bytes) -> str:
    """Give the query with every value hidden that is not known to hold no secret."""
    shown = []
    for part in query.decode("latin-1").split("&"):
        name, equals, _ = part.partition("=")
        if unquote_plus(name) in _SHOWN_PARAMETERS:
            shown.append(part)
        else:
            shown.append(f"{name}=***" if equals else "***")
    return "&".join(shown)
