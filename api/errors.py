"""From errors to answers: one table, and the one place that writes error bodies.

Spec: distribution-spec 1.1, "Error Codes". Codes beyond its table are those of Docker's registry
(TAG_INVALID, MANIFEST_UNVERIFIED, RANGE_INVALID, PAGINATION_NUMBER_INVALID, UNAVAILABLE, UNKNOWN),
and NOT_FOUND for a path that is no endpoint and REQUEST_TIMEOUT for a client that fell silent.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from api.headers import API_VERSION, format_received
from api.models import ErrorItem, ErrorList
from api.serving.exchange import find_exchange
from core.errors import (
    AccessDenied,
    AccessUnavailable,
    AuthenticationRequired,
    BlobTooLarge,
    BlobUnknown,
    DigestInvalid,
    DriverError,
    LoginRefused,
    ManifestBlobUnknown,
    ManifestFaults,
    ManifestInvalid,
    ManifestTooLarge,
    ManifestUnknown,
    ManifestUnverified,
    NameInvalid,
    NameUnknown,
    OperationUnsupported,
    PaginationInvalid,
    RangeInvalid,
    RegistryError,
    Schema1Refused,
    SizeInvalid,
    StorageFull,
    TagInvalid,
    TokenRequestInvalid,
    TooManyRequests,
    UploadBusy,
    UploadUnknown,
)

__all__ = [
    "ERROR_TABLE",
    "UNEXPECTED",
    "BodyOverdue",
    "BodyTooSlow",
    "ErrorBoundary",
    "ErrorKind",
    "PreconditionFailed",
    "RangeNotSatisfiable",
    "TooManyTags",
    "answer_error",
    "install_error_handlers",
]

_log = structlog.get_logger()


class BodyOverdue(RegistryError):
    """A client that fell silent inside the body of its request."""

    def __init__(self, timeout_seconds: float) -> None:
        reason = "nothing came for longer than the registry waits"
        super().__init__(reason, reason=reason, timeout_seconds=int(timeout_seconds))


class BodyTooSlow(BodyOverdue):
    """A client that takes too long for the body of its request, though it is not silent."""

    def __init__(self, *, seconds: int, received_bytes: int) -> None:
        super().__init__(0)
        reason = "the body comes slower than the registry waits for it"
        self.detail = {"reason": reason, "seconds": seconds, "received_bytes": received_bytes}


class RangeNotSatisfiable(RegistryError):
    """A Range header that selects nothing of the content.

    Attributes:
        size: of the whole content in bytes.
    """

    def __init__(self, given: str, *, size: int) -> None:
        super().__init__("the range selects nothing", range=given, size=size)
        self.size = size


class PreconditionFailed(RegistryError):
    """An If-Match header that does not name what is there."""

    def __init__(self, given: str, *, etag: str) -> None:
        super().__init__("what is there has another ETag", if_match=given, etag=etag)


class TooManyTags(RegistryError):
    """More `tag` parameters than one push may have."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"one push may set {limit} tags", limit=limit)


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """How a class of errors is answered."""

    status: int
    code: str
    message: str


ERROR_TABLE: Mapping[type[RegistryError], ErrorKind] = {
    AccessDenied: ErrorKind(403, "DENIED", "requested access to the resource is denied"),
    AccessUnavailable: ErrorKind(503, "UNAVAILABLE", "access cannot be checked now; try again"),
    AuthenticationRequired: ErrorKind(401, "UNAUTHORIZED", "authentication required"),
    BlobTooLarge: ErrorKind(413, "SIZE_INVALID", "blob too large"),
    BlobUnknown: ErrorKind(404, "BLOB_UNKNOWN", "blob unknown to registry"),
    BodyOverdue: ErrorKind(408, "REQUEST_TIMEOUT", "the request body took too long"),
    DigestInvalid: ErrorKind(
        400, "DIGEST_INVALID", "provided digest did not match uploaded content"
    ),
    DriverError: ErrorKind(503, "UNAVAILABLE", "the storage is not available; try again"),
    LoginRefused: ErrorKind(
        401, "UNAUTHORIZED", "the user, password or token is wrong, or has ended"
    ),
    ManifestBlobUnknown: ErrorKind(
        400, "MANIFEST_BLOB_UNKNOWN", "manifest references a manifest or blob unknown to registry"
    ),
    ManifestInvalid: ErrorKind(400, "MANIFEST_INVALID", "manifest invalid"),
    ManifestTooLarge: ErrorKind(413, "MANIFEST_INVALID", "manifest too large"),
    ManifestUnknown: ErrorKind(404, "MANIFEST_UNKNOWN", "manifest unknown to registry"),
    ManifestUnverified: ErrorKind(
        400, "MANIFEST_UNVERIFIED", "manifest failed signature verification"
    ),
    NameInvalid: ErrorKind(400, "NAME_INVALID", "invalid repository name"),
    NameUnknown: ErrorKind(404, "NAME_UNKNOWN", "repository name not known to registry"),
    OperationUnsupported: ErrorKind(405, "UNSUPPORTED", "the operation is unsupported"),
    PaginationInvalid: ErrorKind(
        400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested"
    ),
    PreconditionFailed: ErrorKind(412, "UNSUPPORTED", "the precondition failed"),
    RangeInvalid: ErrorKind(416, "RANGE_INVALID", "invalid content range"),
    RangeNotSatisfiable: ErrorKind(416, "RANGE_INVALID", "the range cannot be satisfied"),
    Schema1Refused: ErrorKind(
        # Many clients show nothing but this.
        400,
        "MANIFEST_INVALID",
        "images of schema 1 are refused by the setting manifests.schema1",
    ),
    SizeInvalid: ErrorKind(400, "SIZE_INVALID", "provided length did not match content length"),
    StorageFull: ErrorKind(507, "UNAVAILABLE", "the storage is full"),
    TagInvalid: ErrorKind(400, "TAG_INVALID", "invalid tag"),
    TokenRequestInvalid: ErrorKind(400, "UNSUPPORTED", "invalid request for a token"),
    TooManyRequests: ErrorKind(429, "TOOMANYREQUESTS", "too many requests"),
    TooManyTags: ErrorKind(414, "TAG_INVALID", "too many tags"),
    UploadBusy: ErrorKind(409, "BLOB_UPLOAD_INVALID", "blob upload is in use"),
    UploadUnknown: ErrorKind(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
}
"""Looked up along the class tree: the nearest ancestor in the table counts."""

_NOT_FOUND = ErrorKind(404, "NOT_FOUND", "no such endpoint")
_NOT_ALLOWED = ErrorKind(405, "UNSUPPORTED", "the endpoint does not have this method")
UNEXPECTED = ErrorKind(500, "UNKNOWN", "an unexpected error, which has been logged")
_DISCONNECTED = ErrorKind(400, "SIZE_INVALID", "the request ended before its content")
_INVALID = ErrorKind(400, "UNSUPPORTED", "invalid request")

_UNTOLD = (AccessUnavailable, DriverError)
"""What clients are told nothing of but that it happened."""

_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")

_RETRY_AFTER_SECONDS = "5"


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error that a route raises, and those of the framework, with the spec's body."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def answer_error(request: Request, error: Exception) -> Response | None:
    """Return the answer to a request that ended with `error`, or None if none is known."""
    for kind, handler in _HANDLERS.items():
        if isinstance(error, kind):
            return await handler(request, error)
    return None


class ErrorBoundary:
    """The last resort: what nobody expected is logged, and answered without telling what it was."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand between the access log and `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        try:
            await self._app(scope, receive, send)
        except Exception:
            if scope["type"] != "http":
                raise
            _log.exception("request failed")
            if find_exchange(scope).has_begun:
                # Too late for an error body: the server cuts the connection, so that the client
                # cannot take what it has for the whole.
                raise
            response = _answer(scope["method"], UNEXPECTED, [_item(UNEXPECTED)])
            await response(scope, receive, send)


async def _on_registry_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RegistryError)
    if isinstance(error, DriverError):
        _log.error("storage failed", error=str(error), cause=repr(error.__cause__))
    elif isinstance(error, AccessUnavailable):
        _log.error("access cannot be checked", error=str(error), cause=repr(error.__cause__))
    faults = error.faults if isinstance(error, ManifestFaults) else (error,)
    kinds = [_find_kind(fault) for fault in faults]
    items = [
        _item(kind, None if isinstance(fault, _UNTOLD) else fault)
        for kind, fault in zip(kinds, faults, strict=True)
    ]
    return _answer(request.method, kinds[0], items, _headers_of(request, error))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == _NOT_ALLOWED.status:
        allow = ", ".join(_list_methods(request))
        if request.method == "OPTIONS":
            return Response(status_code=200, headers={**API_VERSION, "Allow": allow})
        item = _item(_NOT_ALLOWED, detail={"method": request.method, "allow": allow})
        return _answer(request.method, _NOT_ALLOWED, [item], {"Allow": allow})
    if error.status_code == _NOT_FOUND.status:
        return _answer(
            request.method, _NOT_FOUND, [_item(_NOT_FOUND, detail={"path": request.scope["path"]})]
        )
    kind = ErrorKind(error.status_code, "UNSUPPORTED", str(error.detail))
    return _answer(request.method, kind, [_item(kind)], error.headers or {})


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    kinds = []
    items = []
    for fault in error.errors():
        place = [str(step) for step in fault["loc"]]
        kind = ERROR_TABLE[PaginationInvalid] if place[-1] == "n" else _INVALID
        kinds.append(kind)
        detail = {"parameter": place[-1], "value": str(fault["input"]), "reason": fault["msg"]}
        items.append(_item(kind, detail=detail))
    return _answer(request.method, kinds[0], items)


async def _on_disconnect(request: Request, error: Exception) -> Response:
    # Nobody is there to read this; the answer ends the request in the access log.
    _log.info("client hung up", path=request.url.path)
    return _answer(request.method, _DISCONNECTED, [_item(_DISCONNECTED)])


_HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    RegistryError: _on_registry_error,
    HTTPException: _on_http_exception,
    RequestValidationError: _on_validation_error,
    ClientDisconnect: _on_disconnect,
}


def _find_kind(error: RegistryError) -> ErrorKind:
    for ancestor in type(error).__mro__:
        kind = ERROR_TABLE.get(ancestor)
        if kind is not None:
            return kind
    return UNEXPECTED


def _item(
    kind: ErrorKind,
    error: RegistryError | None = None,
    detail: Mapping[str, str | int | Sequence[str]] | None = None,
) -> ErrorItem:
    message = kind.message
    if error is not None:
        detail = error.detail
    if isinstance(error, AccessDenied):
        # Of an error, most clients show people nothing but this.
        message = f"{message}: {error.message}"
    return ErrorItem(code=kind.code, message=message, detail=dict(detail) if detail else None)


def _headers_of(request: Request, error: RegistryError) -> dict[str, str]:
    headers: dict[str, str] = {}
    match error:
        case RangeInvalid():
            # Spec: "Pushing a blob in chunks": the client learns from where to go on.
            path = quote(request.url.path, safe="/")
            headers["Location"] = f"{path}?offset={error.offset}"
            headers["Range"] = format_received(error.offset)
        case RangeNotSatisfiable():
            headers["Content-Range"] = f"bytes */{error.size}"
        case OperationUnsupported():
            # RFC 9110, section 15.5.6: a 405 tells what is allowed.
            allowed = [method for method in _list_methods(request) if method != request.method]
            headers["Allow"] = ", ".join(allowed)
        case AuthenticationRequired() if error.challenge is not None:
            headers["WWW-Authenticate"] = error.challenge
        case TooManyRequests():
            headers["Retry-After"] = str(error.retry_after_seconds)
        case DriverError() | AccessUnavailable() if not isinstance(error, StorageFull):
            headers["Retry-After"] = _RETRY_AFTER_SECONDS
    return headers


def _list_methods(request: Request) -> list[str]:
    routes = request.app.router.routes
    return [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes
        )
    ]


def _answer(
    method: str, kind: ErrorKind, items: list[ErrorItem], headers: Mapping[str, str] | None = None
) -> Response:
    body = ErrorList(errors=items).model_dump_json(exclude_none=True).encode()
    headers = {**API_VERSION, **(headers or {})}
    if method == "HEAD":
        return Response(status_code=kind.status, headers=headers)
    return Response(body, kind.status, headers, "application/json")
