"""What a request line and header have to be before the application sees them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote

import httptools

from api.serving.refusals import RequestRefused
from api.settings.groups import ServerSettings

__all__ = [
    "AnnouncedBody",
    "bad_request",
    "check_fields",
    "check_size",
    "header_too_large",
    "split_target",
]

Fields = Sequence[tuple[bytes, bytes]]

_VERSIONS = frozenset({"1.0", "1.1"})
_FIELD_OVERHEAD_BYTES = len(b": \r\n")
_ORIGIN_FORM = re.compile(rb"(/[!-\"$->@-~]*)(?:\?([!-\"$-~]*))?")
"""A path and a query, without a fragment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedBody:
    """What the header of a request says of a body that follows, if only of an empty one.

    Attributes:
        length: in bytes, where that is told.
        expects_continue: whether the client waits to be told to send it.
    """

    length: int | None
    expects_continue: bool


def check_fields(fields: Fields, version: str, limits: ServerSettings) -> AnnouncedBody | None:
    """Return what a header says of a body, None where none follows.

    Args:
        fields: their names in lower case.
        version: of HTTP.
        limits: of the server.

    Raises:
        RequestRefused: there are too many fields, the version is none of ours, or they contradict
            each other or HTTP.
    """
    if len(fields) > limits.max_header_count:
        raise _too_many_headers(limits)
    if version not in _VERSIONS:
        raise _version_unsupported()
    found = dict(fields)
    hosts = int(b"host" in found)
    if len(found) != len(fields):
        hosts = sum(name == b"host" for name, _ in fields)
    if hosts != 1 and (hosts or version != "1.0"):
        raise bad_request(f"expected one Host header, got {hosts}")
    length = found.get(b"content-length")
    if b"transfer-encoding" in found:
        _check_coding(fields, version)
    elif length is None:
        return None
    return AnnouncedBody(
        length=None if length is None else int(length),
        expects_continue=found.get(b"expect", b"").lower() == b"100-continue",
    )


def check_size(url: bytes, fields: Fields, limits: ServerSettings) -> None:
    """Return if a header is not too large, all of it counted.

    Raises:
        RequestRefused: it is.
    """
    size = len(url) + sum(len(name) + len(value) + _FIELD_OVERHEAD_BYTES for name, value in fields)
    if size > limits.max_header_bytes:
        raise header_too_large(limits)


def split_target(target: bytes) -> tuple[str, bytes, bytes]:
    """Return the path, decoded and as it was sent, and the query of a request's target.

    Raises:
        HttpParserInvalidURLError, ValueError: it is none.
    """
    match = _ORIGIN_FORM.fullmatch(target)
    if match is not None:
        raw, query = match[1], match[2] or b""
    else:
        parsed = httptools.parse_url(target)
        raw, query = parsed.path, parsed.query or b""
    path = raw.decode("ascii")
    return unquote(path) if "%" in path else path, raw, query


def bad_request(message: str) -> RequestRefused:
    """Return the refusal of what HTTP does not allow."""
    return RequestRefused(HTTPStatus.BAD_REQUEST, "REQUEST_INVALID", message)


def header_too_large(limits: ServerSettings) -> RequestRefused:
    """Return the refusal of a header with too many bytes."""
    return RequestRefused(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "HEADERS_TOO_LARGE",
        "the request header is too large",
        {"max_header_bytes": limits.max_header_bytes},
    )


def _check_coding(fields: Fields, version: str) -> None:
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if any(name == b"content-length" for name, _ in fields):
        raise bad_request("expected Content-Length or Transfer-Encoding, got both")
    if len(codings) > 1:
        raise bad_request("expected one Transfer-Encoding header, got more")
    if version == "1.0":
        raise bad_request("HTTP/1.0 has no Transfer-Encoding")
    if codings[0].strip().lower() != b"chunked":
        raise RequestRefused(
            HTTPStatus.NOT_IMPLEMENTED, "UNSUPPORTED", "the only Transfer-Encoding is chunked"
        )


def _version_unsupported() -> RequestRefused:
    return RequestRefused(
        HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "UNSUPPORTED", "the only HTTP version is 1.1"
    )


def _too_many_headers(limits: ServerSettings) -> RequestRefused:
    return RequestRefused(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "HEADERS_TOO_LARGE",
        "the request has too many header fields",
        {"max_header_count": limits.max_header_count},
    )
