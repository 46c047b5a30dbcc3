"""Answers and bodies, as routes name them: `responses=answers(answer(200, ...), errors(...))`."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel

from api.contract.examples import MANIFESTS, find_error
from api.contract.headers import (
    ALLOW,
    API_VERSION,
    REQUEST_ID,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    HeaderField,
)
from api.errors import ERROR_TABLE, UNEXPECTED
from api.models import ErrorItem, ErrorList
from core.errors import (
    AccessDenied,
    AuthenticationRequired,
    DriverError,
    OperationUnsupported,
    RegistryError,
    TooManyRequests,
)
from core.manifest import (
    DOCKER_MANIFEST_V1,
    DOCKER_MANIFEST_V1_SIGNED,
    MANIFEST_MODELS,
    SignedImage,
)

__all__ = [
    "Answers",
    "answer",
    "answers",
    "binary",
    "blob_body",
    "document",
    "errors",
    "manifest",
    "manifest_body",
    "not_modified",
]

Answers: TypeAlias = dict[int | str, dict[str, Any]]
"""Responses by status, in the form in which FastAPI takes them."""

_Content: TypeAlias = Mapping[str, Mapping[str, Any]]

_FIELDS_OF_STATUS: Mapping[int, tuple[HeaderField, ...]] = {
    ERROR_TABLE[DriverError].status: (RETRY_AFTER,),
    ERROR_TABLE[OperationUnsupported].status: (ALLOW,),
    ERROR_TABLE[AuthenticationRequired].status: (WWW_AUTHENTICATE,),
    ERROR_TABLE[TooManyRequests].status: (RETRY_AFTER,),
}
"""Headers that every error of a status has."""

_REFUSALS: Mapping[str, tuple[type[RegistryError], ...]] = {
    "no": (),
    "login": (AuthenticationRequired,),
    "rules": (AuthenticationRequired, AccessDenied),
}

_OCTETS = "application/octet-stream"
_BYTES = {"type": "string", "format": "binary"}


def answers(*parts: Answers) -> Answers:
    """Return all of `parts` as one."""
    merged: Answers = {}
    for part in parts:
        merged |= part
    return merged


def answer(
    status: int, description: str, *fields: HeaderField, content: _Content | None = None
) -> Answers:
    """Return the answer of one status, with `fields` besides the headers that all answers have."""
    response: dict[str, Any] = {
        "description": description,
        "headers": {
            field.name: {"$ref": f"#/components/headers/{field.key}"}
            for field in (API_VERSION, REQUEST_ID, *fields)
        },
    }
    if content is not None:
        response["content"] = content
    return {status: response}


def not_modified(*fields: HeaderField) -> Answers:
    """Return the answer to a client that has the content already."""
    return answer(304, "The content has the ETag that If-None-Match names.", *fields)


def errors(
    *kinds: type[RegistryError],
    body: bool = True,
    storage: bool = True,
    guarded: Literal["no", "login", "rules"] = "rules",
    fields: Mapping[int, tuple[HeaderField, ...]] | None = None,
) -> Answers:
    """Return the answers to what can go wrong.

    Args:
        kinds: of errors, as the error table has them.
        body: whether the answers have one; those to HEAD have none.
        storage: whether the storage is asked, and so can fail.
        guarded: by a gate, which asks who it is, and perhaps what they may do.
        fields: headers that only the answers of one status have.
    """
    by_status: dict[int, dict[str, ErrorItem]] = {}
    # Limits are kept before any operation is known.
    common = (TooManyRequests, *_REFUSALS[guarded], *((DriverError,) if storage else ()))
    for kind in (*kinds, *common):
        entry = ERROR_TABLE[kind]
        example = find_error(kind)
        # Clients are told nothing of what happened in the storage.
        detail = None if isinstance(example, DriverError) else dict(example.detail)
        item = ErrorItem(code=entry.code, message=entry.message, detail=detail)
        by_status.setdefault(entry.status, {})[entry.code] = item
    unexpected = ErrorItem(code=UNEXPECTED.code, message=UNEXPECTED.message)
    by_status[UNEXPECTED.status] = {UNEXPECTED.code: unexpected}
    found: Answers = {}
    for status, items in sorted(by_status.items()):
        more = (fields or {}).get(status, ())
        more = (*more, *_FIELDS_OF_STATUS.get(status, ()))
        text = "; ".join(f"`{item.code}`: {item.message}" for item in items.values())
        content = _error_content(items) if body else None
        found |= answer(status, f"{text}.", *more, content=content)
    return found | _refused(body=body)


def document(
    model: type[BaseModel], media_type: str = "application/json", example: object = None
) -> _Content:
    """Return the content that is one of the documents of the protocol."""
    content: dict[str, Any] = {"schema": _refer(model)}
    if example is not None:
        content["example"] = example
    return {media_type: content}


def binary() -> _Content:
    """Return the content that is bytes, whatever they mean."""
    return {_OCTETS: {"schema": _BYTES}}


def manifest() -> _Content:
    """Return the content that is a manifest of any type, the bytes that were pushed."""
    return {
        media_type: {"schema": {"$ref": "#/components/schemas/Manifest"}, "example": example}
        for media_type, example in MANIFESTS.items()
    }


def blob_body(description: str, *, required: bool = True) -> dict[str, Any]:
    """Return what an operation says of a body that is a blob or a part of one."""
    return {
        "requestBody": {
            "description": description,
            "required": required,
            "content": binary(),
        }
    }


def manifest_body() -> dict[str, Any]:
    """Return what an operation says of a body that is a manifest.

    Each type has its model. The bytes of a manifest decide its digest, so a client that has them
    already, or that signs them, sends them as octets, and the manifest says itself what it is.
    """
    typed = {
        media_type: {"schema": _refer(model), "example": MANIFESTS[media_type]}
        for media_type, model in MANIFEST_MODELS.items()
    }
    # By this of its two names generators of clients know that it is JSON.
    typed[DOCKER_MANIFEST_V1] = {
        "schema": _refer(SignedImage),
        "example": MANIFESTS[DOCKER_MANIFEST_V1_SIGNED],
    }
    return {
        "requestBody": {
            "description": (
                "The manifest, kept and served byte for byte. As `application/octet-stream` it "
                "is of the type that its own `mediaType` tells. Signed images of schema 1, also "
                f"known as `{DOCKER_MANIFEST_V1_SIGNED}`, are taken only if the registry is set up "
                "to take them."
            ),
            "required": True,
            "content": {**typed, **binary()},
        }
    }


def _refused(*, body: bool) -> Answers:
    """Return the answer to what no route sees: a request that is not sound HTTP, or too much."""
    item = ErrorItem(code="HEADERS_TOO_LARGE", message="the request header is too large")
    response: dict[str, Any] = {
        "description": (
            "A request that no endpoint sees, such as a header that is too large (431) or too "
            "slow (408), or a Transfer-Encoding that is unknown (501)."
        ),
        "headers": {API_VERSION.name: {"$ref": f"#/components/headers/{API_VERSION.key}"}},
    }
    if body:
        response["content"] = _error_content({item.code: item})
    return {"default": response}


def _error_content(items: Mapping[str, ErrorItem]) -> _Content:
    return {
        "application/json": {
            "schema": _refer(ErrorList),
            "examples": {
                code: {"value": ErrorList(errors=[item]).model_dump(exclude_none=True)}
                for code, item in items.items()
            },
        }
    }


def _refer(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
