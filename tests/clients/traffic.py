"""What a registry was asked, read from its access log."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs

from tests.live import Service

__all__ = ["Request", "watching"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that is over."""

    method: str
    path: str
    query: str
    status: int
    received_bytes: int

    @property
    def is_upload(self) -> bool:
        """True if it sent a blob, or a part of one; a mount or the begin of an upload is none."""
        return "/blobs/uploads/" in self.path and self.method in {"PATCH", "PUT"}

    @property
    def is_mount(self) -> bool:
        """True if it made a blob of another repository appear in this one."""
        return self.method == "POST" and "mount" in parse_qs(self.query) and self.status == 201

    @property
    def mounted(self) -> str:
        """The digest that it asked to mount."""
        return parse_qs(self.query)["mount"][0]

    @property
    def digest(self) -> str:
        """The digest that it said its upload has."""
        return parse_qs(self.query)["digest"][0]


@contextmanager
def watching(service: Service) -> Iterator[list[Request]]:
    """Give a list that holds the requests made inside the block once the block is over."""
    seen: list[Request] = []
    before = len(_read(service))
    yield seen
    seen.extend(_read(service)[before:])


def _read(service: Service) -> list[Request]:
    # What was answered before this request is logged before it.
    last = uuid.uuid4().hex
    head = f"GET /v2/ HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX-Request-Id: {last}\r\n\r\n"
    service.ask(head.encode("ascii"))
    service.wait_for_log("request", request_id=last)
    return [
        Request(
            method=line["method"],
            path=line["path"],
            query=line.get("query", ""),
            status=line["status"],
            received_bytes=line["received_bytes"],
        )
        for line in service.log_lines()
        if line["event"] == "request"
    ]
