"""The request id and the access line of each request, as plain ASGI."""

import asyncio
import time

import structlog

from api.logging import write_lines
from api.serving.access_line import EVENT, fields_of, json_line
from api.serving.exchange import REQUEST_ID, App, Exchange, Receive, RequestIds, Scope, Send
from api.settings.groups import LogSettings

__all__ = ["AccessLogMiddleware"]

_FLUSH_SECONDS = 0.1
"""So long a line may wait for others, so that many are written at once under load. What waits is
lost if the process is killed."""

_LEVELS_WITH_INFO = ("debug", "info")
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
            exchange.end()


class _AccessLog:
    """The access lines of one process. Those in JSON are written together, a moment later."""

    def __init__(self, settings: LogSettings) -> None:
        """Write nothing where `settings` leave access lines out."""
        self._enabled = settings.access and settings.level in _LEVELS_WITH_INFO
        self._batched = settings.format == "json"
        self._lines: list[str] = []

    def add(self, exchange: Exchange) -> None:
        """Take the request that is being served, and that is over now."""
        if not self._enabled:
            return
        if not self._batched:
            _log.info(EVENT, **fields_of(exchange))
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        self._lines.append(json_line(exchange, time.time()))

    def flush(self) -> None:
        """Write the lines that wait."""
        lines, self._lines = self._lines, []
        write_lines(lines)
