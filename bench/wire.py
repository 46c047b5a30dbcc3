"""HTTP/1.1 as the load generator speaks it: prepared requests out, lengths and statuses in."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.content import Content

__all__ = ["Answer", "LoadError", "Request", "format_request"]

_ACCEPT = (
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_LENGTH = b"\r\ncontent-length:"


class LoadError(Exception):
    """A server answered what it should not have, or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request, and the answer that it has to have.

    Attributes:
        head: what is sent first: the header, and a small body with it.
        status: of the answer.
        content: the body, where it is large.
        length: what the answer's Content-Length has to be; None takes any.
        digest: of the answer's body; None takes any, and hashes nothing.
        has_answer_body: whether the answer has a body at all; not so for HEAD.
        port: of the loopback address, where it is not that of the server under test.
    """

    head: bytes
    status: int
    content: Content | None = None
    length: int | None = None
    digest: str | None = None
    has_answer_body: bool = True
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The header of an answer, parsed no further than it is asked for.

    Attributes:
        head: all of it, without the empty line.
    """

    head: bytes

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.head[9:12])

    @property
    def length(self) -> int:
        """The Content-Length, 0 where there is none.

        Raises:
            LoadError: the body has no length that is known beforehand.
        """
        lowered = self.head.lower()
        found = lowered.find(_LENGTH)
        if found < 0:
            if b"\r\ntransfer-encoding:" in lowered:
                raise LoadError(f"an answer without a length: {self.head!r}")
            return 0
        return int(lowered[found + len(_LENGTH) :].partition(b"\r\n")[0])

    @property
    def location(self) -> str:
        """The Location as a path with its query.

        Raises:
            LoadError: there is none.
        """
        value = self._location()
        if "://" in value:
            return "/" + value.split("/", 3)[3]
        return value

    @property
    def other_host(self) -> str:
        """The host and port of the Location, in the form of the Host header.

        Raises:
            LoadError: there is none.
        """
        host = urlsplit(self._location()).netloc
        if not host:
            raise LoadError(f"an answer that does not lead to another host: {self.head!r}")
        return host

    def _location(self) -> str:
        found = self.head.lower().find(b"\r\nlocation:")
        if found < 0:
            raise LoadError(f"an answer without a Location: {self.head!r}")
        return self.head[found + 11 :].partition(b"\r\n")[0].strip().decode("ascii")


def format_request(
    method: str,
    path: str,
    *,
    length: int | None = None,
    content_type: str | None = None,
    host: str = "registry",
    authorization: str | None = None,
) -> bytes:
    """Return the header of a request; `length` is that of its body, None for no body."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: bench",
        f"Accept: {_ACCEPT}",
    ]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
