"""Answers to requests that never reach the application, in the registry's own form."""

import json
from http import HTTPStatus

__all__ = ["RequestRefused", "error_body", "refusal_answer"]


class RequestRefused(Exception):
    """A request that the protocol layer will not hand to the application."""

    def __init__(self, status: HTTPStatus, code: str, message: str, detail: object = None) -> None:
        """Keep what the answer will say; nothing in it comes from the host."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail


def error_body(code: str, message: str, detail: object = None) -> bytes:
    """Give the specification's error body with a single error in it."""
    error: dict[str, object] = {"code": code, "message": message}
    if detail is not None:
        error["detail"] = detail
    return json.dumps({"errors": [error]}, separators=(",", ":")).encode() + b"\n"


def refusal_answer(
    refused: RequestRefused, default_headers: list[tuple[bytes, bytes]], *, with_body: bool
) -> bytes:
    """Give the whole answer as it goes over the wire; the connection ends with it."""
    body = error_body(refused.code, refused.message, refused.detail)
    head = [f"HTTP/1.1 {refused.status.value} {refused.status.phrase}".encode()]
    head += [name + b": " + value for name, value in default_headers]
    head += [
        b"content-type: application/json",
        b"content-length: " + str(len(body)).encode(),
        b"docker-distribution-api-version: registry/2.0",
        b"connection: close",
    ]
    return b"\r\n".join([*head, b"", body if with_body else b""])
