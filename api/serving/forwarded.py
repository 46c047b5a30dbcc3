"""The middleware that sees requests as the client made them, with proxies in between.

What a proxy says of the client is believed only where the peer of the connection is one of
`server.trusted_proxies`; from anybody else these headers are as good as not there.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from api.serving.client_certificates import TLS
from api.serving.forwarded_headers import (
    Origin,
    find_origin,
    parse_address,
    parse_forwarded,
    parse_host,
    parse_x_forwarded,
)
from api.settings.groups import ServerSettings

__all__ = ["ForwardedMiddleware"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_FIELDS = frozenset(
    {
        b"forwarded",
        b"host",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
    }
)
_log = structlog.get_logger(__name__)


class ForwardedMiddleware:
    """Puts client, scheme and Host as the client knows them, and makes Locations absolute.

    It belongs outside of whatever looks at these. Headers that are malformed, and `Forwarded` and
    `X-Forwarded-*` headers that contradict each other, are ignored wholly: the client may have
    sent the kind that its proxy does not know. The first such contradiction is logged.
    """

    def __init__(self, app: App, settings: ServerSettings) -> None:
        """Wrap `app`, which `is_needed` for these settings."""
        self._app = app
        self._networks = settings.trusted_networks()
        self._trusts_unix = settings.trusts_unix()
        self._absolute = settings.locations == "absolute"
        self._external = (settings.external_url or "").encode("ascii")
        self._told_contradiction = False

    @staticmethod
    def is_needed(settings: ServerSettings) -> bool:
        """Say whether there is anything to do; if not, requests are spared the detour."""
        return bool(settings.trusted_proxies) or settings.locations == "absolute"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fields: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in _FIELDS:
                fields[name] = fields[name] + b", " + value if name in fields else value
        says_something = len(fields) > (b"host" in fields)
        has_certificate = TLS in scope.get("extensions", ())
        if (says_something or has_certificate) and self._is_trusted(scope.get("client")):
            if has_certificate:
                # The certificate is that of the proxy, and not of those whose requests it brings.
                scope = _without_certificate(scope)
            origin = self._find_origin(fields) if says_something else None
            if origin is not None:
                scope = _as_seen_from(origin, scope)
        if self._absolute:
            send = self._with_absolute_location(scope, send)
        await self._app(scope, receive, send)

    def _is_trusted(self, client: tuple[str, int] | None) -> bool:
        if client is None:
            return self._trusts_unix
        address = parse_address(client[0])
        return address is not None and any(address in network for network in self._networks)

    def _find_origin(self, fields: dict[bytes, bytes]) -> Origin | None:
        def text(name: bytes) -> str | None:
            return fields[name].decode("latin-1") if name in fields else None

        said = []
        if b"forwarded" in fields:
            said.append(parse_forwarded(text(b"forwarded") or ""))
        if any(name.startswith(b"x-") for name in fields):
            said.append(
                parse_x_forwarded(
                    text(b"x-forwarded-for"),
                    text(b"x-forwarded-proto"),
                    text(b"x-forwarded-host"),
                    text(b"x-forwarded-port"),
                    asked_host=text(b"host"),
                )
            )
        found = [find_origin(hops, self._networks) for hops in said if hops]
        if len(found) > 1 and _gist(found[0]) != _gist(found[1]):
            if not self._told_contradiction:
                self._told_contradiction = True
                _log.warning("Forwarded and X-Forwarded headers contradict each other; ignored")
            return None
        return found[0] if found else None

    def _with_absolute_location(self, scope: Scope, send: Send) -> Send:
        async def send_absolute(message: Message) -> None:
            if message["type"] == "http.response.start":
                base = self._external or _base_of(scope)
                if base:
                    headers = [
                        (name, base + value if _is_relative_location(name, value) else value)
                        for name, value in message.get("headers", ())
                    ]
                    message = {**message, "headers": headers}
            await send(message)

        return send_absolute


def _without_certificate(scope: Scope) -> Scope:
    extensions = {name: value for name, value in scope["extensions"].items() if name != TLS}
    return {**scope, "extensions": extensions}


def _as_seen_from(origin: Origin, scope: Scope) -> Scope:
    seen = dict(scope)
    if origin.client is not None:
        seen["client"] = (origin.client.name, origin.client.port)
    if origin.scheme is not None:
        seen["scheme"] = origin.scheme
    if origin.host is not None:
        seen["headers"] = [
            (b"host", origin.host.encode("ascii")),
            *(field for field in scope["headers"] if field[0] != b"host"),
        ]
    return seen


def _gist(origin: Origin) -> tuple[str | None, str | None, str | None]:
    client = None if origin.client is None else origin.client.name
    return client, origin.scheme, origin.host


def _base_of(scope: Scope) -> bytes:
    """Return what the client's URLs begin with, or nothing if it asked for no proper host."""
    for name, value in scope["headers"]:
        if name == b"host":
            host = parse_host(value.decode("latin-1"))
            return b"" if host is None else f"{scope['scheme']}://{host}".encode("ascii")
    return b""


def _is_relative_location(name: bytes, value: bytes) -> bool:
    return name.lower() == b"location" and value.startswith(b"/")
