"""Headers as values: pure functions, inclusive ranges on the outside, half-open ones inside."""

import re
from urllib.parse import quote, urlencode

from core.digest import Digest
from core.storage import RepositoryName

__all__ = [
    "API_VERSION",
    "blob_location",
    "format_etag",
    "format_next",
    "format_received",
    "manifest_location",
    "matches_etag",
    "parse_content_range",
    "parse_media_type",
    "parse_range",
    "upload_location",
]

API_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
"""On every answer under /v2/, errors included."""

_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?([0-9]{1,18})-([0-9]{1,18})(?:/(?:[0-9]+|\*))?")
_BYTE_RANGE = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")
_ETAG = re.compile(r'(W/)?"([^"]*)"')


def format_received(offset: int) -> str:
    """Return the Range header of an upload that holds `offset` bytes.

    Spec: "Pushing a blob in chunks": inclusive, and `0-0` before anything has come.
    """
    return f"0-{max(offset - 1, 0)}"


def parse_content_range(text: str) -> tuple[int, int] | None:
    """Return `[start, stop)` of a chunk's Content-Range `start-end`, or None if it is none."""
    match = _CONTENT_RANGE.fullmatch(text.strip())
    if match is None:
        return None
    start, end = int(match[1]), int(match[2])
    return None if end < start else (start, end + 1)


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """Return `[start, stop)` of a Range header over content of `size` bytes.

    None means that the whole is to be sent: the unit is unknown, there are several ranges, or
    the content is empty.

    Spec: RFC 9110, section 14.2; several ranges may be ignored.

    Raises:
        ValueError: the range is malformed, or selects nothing.
    """
    unit, equals, ranges = text.partition("=")
    if not equals or unit.strip().lower() != "bytes" or "," in ranges:
        return None
    match = _BYTE_RANGE.fullmatch(ranges.strip())
    if match is None or not (match[1] or match[2]):
        raise ValueError("malformed range")
    if size == 0:
        return None
    if not match[1]:
        start, stop = max(size - int(match[2]), 0), size
    else:
        start = int(match[1])
        stop = min(int(match[2]) + 1, size) if match[2] else size
    if start >= stop:
        raise ValueError("the range selects nothing")
    return start, stop


def format_etag(digest: Digest) -> str:
    """Return the strong ETag of content: its digest in quotes."""
    return f'"{digest}"'


def matches_etag(header: str, digest: Digest, *, strong: bool = False) -> bool:
    """Say whether an If-Match or If-None-Match header names the content of `digest`.

    Lists, `*` and weak tags are understood, and so is a bare digest, which some clients send.
    With `strong`, as If-Match has it, a weak tag names nothing.

    Spec: RFC 9110, sections 8.8.3.2, 13.1.1 and 13.1.2.
    """
    text = str(digest)
    if header.strip() in ("*", text):
        return True
    return any(match[2] == text and not (strong and match[1]) for match in _ETAG.finditer(header))


def parse_media_type(header: str | None) -> str | None:
    """Return a Content-Type without its parameters, or None if it does not tell what this is.

    Spec: RFC 9110, section 8.3: without the header, and so with `application/octet-stream`, the
    content has to be looked at.
    """
    if header is None:
        return None
    media_type = header.partition(";")[0].strip().lower()
    return media_type if media_type not in {"", "application/octet-stream"} else None


def blob_location(name: RepositoryName, digest: Digest) -> str:
    """Return where a blob can be pulled from."""
    return f"/v2/{name}/blobs/{digest}"


def manifest_location(name: RepositoryName, digest: Digest) -> str:
    """Return where a manifest can be pulled from."""
    return f"/v2/{name}/manifests/{digest}"


def upload_location(name: RepositoryName, upload_id: str, offset: int) -> str:
    """Return where the next chunk of an upload goes.

    It tells the offset, so that a request to an outdated location is refused and not appended.
    """
    return f"/v2/{name}/blobs/uploads/{upload_id}?offset={offset}"


def format_next(path: str, **parameters: str | int) -> str:
    """Return the Link header to the next page. Spec: RFC 8288; relative to the registry."""
    return f'<{quote(path)}?{urlencode(parameters)}>; rel="next"'
