"""Answers whose headers are made once for all requests that get the same."""

from collections.abc import Mapping

from starlette.responses import Response

__all__ = ["PreparedHeaders", "PreparedResponse", "prepare_headers"]

PreparedHeaders = tuple[tuple[bytes, bytes], ...]


def prepare_headers(headers: Mapping[str, str]) -> PreparedHeaders:
    """Return headers in the form in which a server takes them."""
    return tuple(
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
    )


class PreparedResponse(Response):
    """A Response with prepared headers, which are all that it has, and a body that is there."""

    def __init__(self, headers: PreparedHeaders, body: bytes = b"", *, status: int = 200) -> None:
        """Answer with these; a Content-Length has to be among the headers."""
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = list(headers)
