"""Answers whose headers are made once for all requests that get the same.

Server and application agree by an extension of ASGI on how such an answer leaves. Where
`scope["extensions"]` has `moorage.response.whole`, one message of that type is the whole answer:
its "status", its "head", the lines of the header as they go over the wire, its "length", which is
the Content-Length among them, and its "body", of that length unless the request was a HEAD.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

__all__ = ["WHOLE", "PreparedHeaders", "PreparedResponse", "prepare_headers"]

WHOLE = "moorage.response.whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedHeaders:
    """The headers of an answer.

    Attributes:
        fields: as ASGI has them.
        lines: as they go over the wire, each with its end.
        length: the Content-Length.
    """

    fields: tuple[tuple[bytes, bytes], ...]
    lines: bytes
    length: int


def prepare_headers(headers: Mapping[str, str]) -> PreparedHeaders:
    """Return headers, a Content-Length among them, in the forms in which a server takes them.

    Raises:
        ValueError: there is a line break in one, which would let it pass for several.
    """
    fields = tuple(
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
    )
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    if lines.count(b"\r") != len(fields) or lines.count(b"\n") != len(fields):
        raise ValueError("a header of the answer has a line break in it")
    return PreparedHeaders(fields=fields, lines=lines, length=int(dict(fields)[b"content-length"]))


class PreparedResponse(Response):
    """A Response with prepared headers, which are all that it has, and a body that is there."""

    def __init__(self, headers: PreparedHeaders, body: bytes = b"", *, status: int = 200) -> None:
        """Answer with these."""
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = list(headers.fields)
        self._prepared = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        if WHOLE in scope.get("extensions", ()):
            await send(
                {
                    "type": WHOLE,
                    "status": self.status_code,
                    "head": self._prepared.lines,
                    "length": self._prepared.length,
                    "body": self.body,
                }
            )
        else:
            await super().__call__(scope, receive, send)
