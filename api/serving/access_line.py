"""What an access line says of a request, as fields and as a finished line of JSON."""

import functools
import time
from http import HTTPStatus
from json.encoder import encode_basestring_ascii as quote
from urllib.parse import unquote_plus

from api.serving.exchange import Exchange

__all__ = ["EVENT", "fields_of", "json_line"]

EVENT = "request"

CLIENT_CLOSED_REQUEST = 499
"""The status logged where the client hung up; nothing was answered with it."""

_SHOWN_PARAMETERS = frozenset(
    {"artifactType", "digest", "from", "last", "mount", "n", "offset", "tag"}
)


def fields_of(exchange: Exchange) -> dict[str, object]:
    """Return the fields of the line, without those that every line has."""
    scope = exchange.scope
    fields: dict[str, object] = {
        "method": scope["method"],
        "path": _path(exchange),
        "status": _status(exchange),
        "received_bytes": exchange.received_bytes,
        "sent_bytes": exchange.sent_bytes,
        "duration_ms": _duration_ms(exchange),
        "client": _address(scope.get("client")),
        "user_agent": exchange.user_agent.decode("latin-1"),
    }
    if scope["query_string"]:
        fields["query"] = _shown_query(scope["query_string"])
    if _is_cut(exchange):
        fields["cut"] = True
    return fields


def json_line(exchange: Exchange, at: float) -> str:
    """Return the line of level `info` that an encoder makes of the fields, and their order.

    It is written out, as this takes a fifth of the encoder's time, for each request.

    Args:
        exchange: of which the line is; its id becomes that of the line.
        at: when it came to be, in seconds since the epoch.
    """
    scope = exchange.scope
    address = _address(scope.get("client"))
    microseconds = round(at * 1_000_000)
    timestamp = f"{_second(microseconds // 1_000_000)}.{microseconds % 1_000_000:06d}Z"
    line = (
        f'{{"timestamp": "{timestamp}", "level": "info", "event": "{EVENT}",'
        f' "request_id": {quote(exchange.request_id.decode("latin-1"))},'
        f' "method": {quote(scope["method"])}, "path": {quote(_path(exchange))},'
        f' "status": {_status(exchange):d}, "received_bytes": {exchange.received_bytes},'
        f' "sent_bytes": {exchange.sent_bytes}, "duration_ms": {_duration_ms(exchange)!r},'
        f' "client": {"null" if address is None else quote(address)},'
        f' "user_agent": {quote(exchange.user_agent.decode("latin-1"))}'
    )
    if scope["query_string"]:
        line += f', "query": {quote(_shown_query(scope["query_string"]))}'
    if _is_cut(exchange):
        line += ', "cut": true'
    return line + "}"


@functools.lru_cache(4)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def _path(exchange: Exchange) -> str:
    scope = exchange.scope
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1")


def _status(exchange: Exchange) -> int:
    if exchange.hung_up:
        return CLIENT_CLOSED_REQUEST
    # The server answers with 500 for an application that ended without an answer.
    return exchange.status or HTTPStatus.INTERNAL_SERVER_ERROR.value


def _duration_ms(exchange: Exchange) -> float:
    return round((time.perf_counter() - exchange.started) * 1000, 3)


def _is_cut(exchange: Exchange) -> bool:
    return not exchange.complete and not exchange.hung_up


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
