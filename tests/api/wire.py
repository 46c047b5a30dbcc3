"""A client that sends what it is told to the byte, and makes sure that every error is well said."""

import http.client
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.service.running import Service

__all__ = ["Answer", "Wire", "add_query"]

_CODE = re.compile(r"[A-Z_]+")
_HOST_TEXT = re.compile(r"Traceback|\.py\b|/docker/registry|filesystem:|memory:|Errno|Error\(")

Body = bytes | Iterable[bytes] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Parse the body, which is an object."""
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The items of an error body, each of the form that the specification gives.

        Spec: distribution-spec 1.1, "Error Codes".
        """
        assert self.headers["content-type"] == "application/json"
        assert _HOST_TEXT.search(self.body.decode()) is None, self.body
        document = self.json()
        assert set(document) == {"errors"}
        errors: list[dict[str, Any]] = document["errors"]
        assert errors
        for error in errors:
            assert _CODE.fullmatch(error["code"])
            assert isinstance(error["message"], str)
            assert set(error) <= {"code", "message", "detail"}
        return errors

    def assert_error(self, status: int, code: str) -> Mapping[str, Any]:
        """Make sure that this is one error of that kind, and give its detail."""
        assert (self.status, self.errors[0]["code"]) == (status, code), self
        detail: Mapping[str, Any] = self.errors[0].get("detail", {})
        return detail


class Wire:
    """Asks one service; each request has a connection of its own."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def ask(
        self, method: str, target: str, body: Body = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request and read its answer; a body in pieces goes out chunked.

        Every answer under /v2/ names the version of the API, and every error has its body.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=15)
        try:
            connection.request(method, target, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            answer = Answer(
                status=response.status,
                headers={name.lower(): value for name, value in response.getheaders()},
                body=response.read(),
            )
        finally:
            connection.close()
        assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
        if answer.status >= http.HTTPStatus.BAD_REQUEST and method != "HEAD":
            assert answer.errors
        return answer

    def get(self, target: str, **headers: str) -> Answer:
        """GET, with underscores of header names sent as dashes."""
        return self.ask("GET", target, headers=_dashed(headers))

    def head(self, target: str, **headers: str) -> Answer:
        """HEAD, with underscores of header names sent as dashes."""
        return self.ask("HEAD", target, headers=_dashed(headers))

    def delete(self, target: str) -> Answer:
        """DELETE."""
        return self.ask("DELETE", target)


def add_query(location: str, **parameters: str) -> str:
    """Add parameters to a Location, as the specification has clients do."""
    return f"{location}{'&' if '?' in location else '?'}{urlencode(parameters)}"


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
