"""The request id and the access line of each request, as plain ASGI."""

import asyncio
import time
from http import HTTPStatus
from urllib.parse import unquote_plus

import structlog

from api.exchange import REQUEST_ID, App, Exchange, Receive, RequestIds, Scope, Send
from api.logging import write_lines
from api.settings_groups import LogSettings

__all__ = ["AccessLogMiddleware"]

CLIENT_CLOSED_REQUEST = 499
"""The status logged where the client hung up; nothing was answered with it."""

_FLUSH_SECONDS = 0.1
"""So long a line may wait for others, so that many are written at once under load. What waits is
lost if the process is killed."""

_EVENT = "request"
_LEVELS_WITH_INFO = ("debug", "info")
_SHOWN_PARAMETERS = frozenset(
    {"artifactType", "digest", "from", "last", "mount", "n", "offset", "tag"}
)
_log = structlog.get_logger(__name__)


class AccessLogMiddleware:
    """Gives each request an id that all of its log lines carry, and logs it once it is over."""

    def __init__(self, app: App, settings: LogSettings) -> None:
        """Wrap `app`; `settings` may leave access lines out."""
        self._app = app
        self._log = _AccessLog(settings)
        self._ids = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            try:
                await self._app(scope, receive, send)
            finally:
                # The lifespan ends after the last request.
                self._log.flush()
            return
        exchange = Exchange(scope, receive, send, self._ids)
        token = REQUEST_ID.set(exchange.request_id.decode())
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            self._log.add(exchange)
            REQUEST_ID.reset(token)


class _AccessLog:
    """The access lines of one process. Those in JSON are written together, a moment later."""

    def __init__(self, settings: LogSettings) -> None:
        """Write nothing where `settings` leave access lines out."""
        self._enabled = settings.access and settings.level in _LEVELS_WITH_INFO
        self._batched = settings.format == "json"
        self._lines: list[tuple[float, dict[str, object]]] = []

    def add(self, exchange: Exchange) -> None:
        """Take the request that is being served, and that is over now."""
        if not self._enabled:
            return
        fields = _fields_of(exchange)
        if not self._batched:
            _log.info(_EVENT, **fields)
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        self._lines.append((time.time(), {"request_id": REQUEST_ID.get(), **fields}))

    def flush(self) -> None:
        """Write the lines that wait."""
        lines, self._lines = self._lines, []
        if lines:
            write_lines(_EVENT, lines)


def _fields_of(exchange: Exchange) -> dict[str, object]:
    scope = exchange.scope
    fields: dict[str, object] = {
        "method": scope["method"],
        "path": (scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
        "status": _logged_status(exchange),
        "received_bytes": exchange.received_bytes,
        "sent_bytes": exchange.sent_bytes,
        "duration_ms": round((time.perf_counter() - exchange.started) * 1000, 3),
        "client": _address(scope.get("client")),
        "user_agent": exchange.user_agent.decode("latin-1"),
    }
    if scope["query_string"]:
        fields["query"] = _shown_query(scope["query_string"])
    if not exchange.complete and not exchange.hung_up:
        fields["cut"] = True
    return fields


def _logged_status(exchange: Exchange) -> int:
    if exchange.hung_up:
        return CLIENT_CLOSED_REQUEST
    # The server answers with 500 for an application that ended without an answer.
    return exchange.status or HTTPStatus.INTERNAL_SERVER_ERROR.value


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
