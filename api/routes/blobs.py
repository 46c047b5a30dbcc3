"""end-2 and end-10: pulling and deleting blobs."""

import functools
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from api.access import needs
from api.contract import answer, answers, binary, errors, not_modified
from api.contract.headers import (
    ACCEPT_RANGES,
    CACHE_CONTROL,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    DIGEST_OF_CONTENT,
    ETAG,
    STORE_LOCATION,
    UNSATISFIED_RANGE,
)
from api.dependencies import BlobDigest, CurrentAccess, CurrentRepository, DeleteAllowed
from api.errors import PreconditionFailed, RangeNotSatisfiable
from api.headers import API_VERSION, format_etag, matches_etag, parse_range
from api.serving.lean import LeanRoute
from api.serving.prepared import PreparedHeaders, PreparedResponse, prepare_headers
from api.serving.streaming import BlobResponse
from core.digest import Digest
from core.errors import BlobUnknown, DigestInvalid, NameInvalid, OperationUnsupported

__all__ = ["router"]

router = APIRouter(
    prefix="/v2/{name:path}/blobs",
    tags=["blobs"],
    default_response_class=Response,
    route_class=LeanRoute,
)

_MAX_AGE = "max-age=31536000"
"""A year: what a digest names never changes."""

_MAX_PREPARED = 1024

IfMatch = Annotated[
    str | None, Header(description="Pull only what has this ETag.", examples=[ETAG.example])
]
IfNoneMatch = Annotated[
    str | None, Header(description="Pull only what has not this ETag.", examples=[ETAG.example])
]

_FIELDS = (ACCEPT_RANGES, CACHE_CONTROL, DIGEST_OF_CONTENT, ETAG)
_REDIRECT = answer(
    307, "The storage gives the blob, or any range of it.", STORE_LOCATION, DIGEST_OF_CONTENT
)


@router.get(
    "/{digest}",
    operation_id="getBlob",
    responses=answers(
        answer(200, "The blob.", *_FIELDS, content=binary()),
        answer(206, "The part of the blob.", *_FIELDS, CONTENT_RANGE, content=binary()),
        not_modified(*_FIELDS),
        _REDIRECT,
        errors(
            *(NameInvalid, DigestInvalid, BlobUnknown, PreconditionFailed, RangeNotSatisfiable),
            fields={416: (UNSATISFIED_RANGE,)},
        ),
    ),
)
@needs("pull")
async def get_blob(
    repository: CurrentRepository,
    digest: BlobDigest,
    range_: Annotated[
        str | None,
        Header(
            alias="Range",
            description="Pull only these bytes: `bytes=start-end`, inclusive, or `bytes=-last`.",
            examples=["bytes=0-1023"],
        ),
    ] = None,
    if_range: Annotated[
        str | None,
        Header(
            description="Pull the whole, unless it has this ETag.",
            examples=[ETAG.example],
        ),
    ] = None,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Pull a blob, or a range of it.

    What is asked for by a tarsum is answered with the digest of its bytes.

    Spec: distribution-spec 1.1, "Pulling blobs" (end-2); RFC 9110, sections 13 and 14.
    """
    layer = await repository.layers.fetch(digest)
    digest = layer.identity
    if (early := _answer_condition(digest, if_match, if_none_match)) is not None:
        return early
    if (url := await layer.redirect_url("GET")) is not None:
        return _redirect(url, digest)
    status, start, stop = 200, 0, layer.size
    headers = _prepare_head(digest.algorithm.name, digest.encoded, layer.size)
    if range_ is not None and (if_range is None or if_range == format_etag(digest)):
        try:
            selected = parse_range(range_, layer.size)
        except ValueError:
            raise RangeNotSatisfiable(range_, size=layer.size) from None
        if selected is not None:
            status, (start, stop) = 206, selected
            headers = prepare_headers(
                {
                    **_blob_headers(str(digest)),
                    "Content-Range": f"bytes {start}-{stop - 1}/{layer.size}",
                    "Content-Length": str(stop - start),
                }
            )
    return BlobResponse(
        layer, name=str(repository.name), start=start, stop=stop, status=status, headers=headers
    )


@router.head(
    "/{digest}",
    operation_id="headBlob",
    responses=answers(
        answer(200, "The blob is here.", *_FIELDS, CONTENT_LENGTH),
        not_modified(*_FIELDS),
        _REDIRECT,
        errors(NameInvalid, DigestInvalid, BlobUnknown, PreconditionFailed, body=False),
    ),
)
@needs("pull")
async def head_blob(
    repository: CurrentRepository,
    digest: BlobDigest,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Ask whether a blob is here, and how large it is.

    Spec: distribution-spec 1.1, "Checking if content exists in the registry" (end-2).
    """
    layer = await repository.layers.fetch(digest)
    digest = layer.identity
    if (early := _answer_condition(digest, if_match, if_none_match)) is not None:
        return early
    if (url := await layer.redirect_url("HEAD")) is not None:
        return _redirect(url, digest)
    return PreparedResponse(_prepare_head(digest.algorithm.name, digest.encoded, layer.size))


@router.delete(
    "/{digest}",
    operation_id="deleteBlob",
    status_code=202,
    dependencies=[DeleteAllowed],
    responses=answers(
        answer(202, "The repository has the blob no more."),
        errors(NameInvalid, DigestInvalid, BlobUnknown, OperationUnsupported),
    ),
)
@needs("delete")
async def delete_blob(
    repository: CurrentRepository, access: CurrentAccess, digest: BlobDigest
) -> Response:
    """Remove a blob from this repository; others keep it.

    Spec: distribution-spec 1.1, "Deleting Blobs" (end-10).
    """
    await repository.layers.delete(digest)
    access.note("delete", repository=str(repository.name), reference=str(digest))
    return Response(status_code=202, headers=API_VERSION)


def _blob_headers(digest: str) -> dict[str, str]:
    return {
        **API_VERSION,
        "Accept-Ranges": "bytes",
        "Cache-Control": _MAX_AGE,
        "Content-Type": "application/octet-stream",
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
    }


# By the parts of a digest, whose own hash takes longer than the rest of finding it.
@functools.lru_cache(_MAX_PREPARED)
def _prepare_head(algorithm: str, encoded: str, size: int) -> PreparedHeaders:
    headers = _blob_headers(f"{algorithm}:{encoded}")
    return prepare_headers({**headers, "Content-Length": str(size)})


def _redirect(url: str, digest: Digest) -> Response:
    # Nothing that lets the answer be kept: the URL is good for some minutes only.
    return Response(
        status_code=307,
        headers={**API_VERSION, "Location": url, "Docker-Content-Digest": str(digest)},
    )


def _answer_condition(
    digest: Digest, if_match: str | None, if_none_match: str | None
) -> Response | None:
    """Return the answer to a request whose condition decides it. Spec: RFC 9110, 13.2.2."""
    if if_match is not None and not matches_etag(if_match, digest, strong=True):
        raise PreconditionFailed(if_match, etag=format_etag(digest))
    if if_none_match is not None and matches_etag(if_none_match, digest):
        headers = _blob_headers(str(digest))
        del headers["Content-Type"]
        return Response(status_code=304, headers=headers)
    return None
