"""The place in which every request is counted, and refused where there were too many."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.gate import Gate
from api.errors import answer_error
from api.limits.limiter import Limiter
from api.limits.subjects import subject_of_client
from api.serving.exchange import Exchange, find_exchange
from core.errors import TooManyRequests

__all__ = ["LimitsMiddleware"]

_HEALTH = "/healthz"
"""Whoever balances load asks it, from one address, and takes a refusal for a failure."""

_UPLOADS = "/blobs/uploads"


class LimitsMiddleware:
    """Lets requests in as a limiter has it.

    A request belongs to the user whose credentials it has, if these have been proven a moment ago;
    otherwise to the address that it has come from, so that made-up credentials help nobody.
    """

    def __init__(self, app: ASGIApp, limiter: Limiter) -> None:
        """Stand before `app`, inside of whatever makes the exchange."""
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] == _HEALTH:
            await self._app(scope, receive, send)
            return
        exchange = find_exchange(scope)
        gate: Gate | None = scope["app"].gate
        user = None if gate is None else gate.find_subject(scope)
        subject = user or subject_of_client(scope.get("client"))
        try:
            ticket = await self._limiter.enter(subject, is_upload=_is_upload(exchange))
        except TooManyRequests as error:
            answer = await answer_error(Request(scope, receive), error)
            assert answer is not None
            await answer(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            await self._limiter.leave(ticket, exchange.received_bytes + exchange.sent_bytes)


def _is_upload(exchange: Exchange) -> bool:
    # The path that begins one may be without the slash at its end.
    path: str = exchange.scope["path"]
    if not path.endswith(_UPLOADS) and f"{_UPLOADS}/" not in path:
        return False
    fields = exchange.fields
    return b"transfer-encoding" in fields or fields.get(b"content-length", b"0") != b"0"
