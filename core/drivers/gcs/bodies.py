"""Bodies of requests: documents, and content that goes with what is said of it."""

import json
from collections.abc import AsyncIterator
from uuid import uuid4

from core.drivers.gcs.client import Body

__all__ = ["CONTENT_TYPE", "Abandoned", "BodyAbandoned", "document_body", "related_body"]

CONTENT_TYPE = "application/octet-stream"

_SLICE_BYTES = 256 * 1024


class BodyAbandoned(Exception):
    """A body whose sender has no more use for it."""


class Abandoned:
    """A flag that ends the sending of bodies, so that the store gets none of them whole."""

    def __init__(self) -> None:
        self.is_set = False


def document_body(document: object) -> Body:
    """Return a JSON document."""
    content = json.dumps(document).encode("utf-8")

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    return Body(media_type="application/json", size=len(content), chunks=chunks)


def related_body(
    key: str, content: bytes | bytearray, md5: str, abandoned: Abandoned | None
) -> Body:
    """Return an object's metadata and content as one body, without a copy of the content."""
    boundary = uuid4().hex
    metadata = json.dumps({"name": key, "contentType": CONTENT_TYPE, "md5Hash": md5})
    head = (
        f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n"
        f"--{boundary}\r\nContent-Type: {CONTENT_TYPE}\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode("ascii")

    async def chunks() -> AsyncIterator[bytes]:
        yield head
        view = memoryview(content)
        for start in range(0, len(view), _SLICE_BYTES):
            if abandoned is not None and abandoned.is_set:
                raise BodyAbandoned
            yield bytes(view[start : start + _SLICE_BYTES])
        if abandoned is not None and abandoned.is_set:
            raise BodyAbandoned
        yield tail

    return Body(
        media_type=f"multipart/related; boundary={boundary}",
        size=len(head) + len(content) + len(tail),
        chunks=chunks,
    )
