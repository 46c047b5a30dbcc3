"""end-3, 7 and 9: manifests and the tags that point to them."""

import functools
from collections.abc import Sequence
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from api.accept import find_accepted
from api.access import needs
from api.access.write_once import deleting, setting_tags
from api.contract import answer, answers, errors, manifest_body, not_modified
from api.contract import manifest as any_manifest
from api.contract.headers import (
    CONTENT_LENGTH,
    DIGEST_OF_CONTENT,
    ETAG,
    MANIFEST_LOCATION,
    SUBJECT,
    TAGS,
    VARY,
)
from api.dependencies import (
    CurrentAccess,
    CurrentRepository,
    CurrentSettings,
    DeleteAllowed,
    ManifestReference,
)
from api.errors import BodyOverdue, TooManyTags
from api.headers import (
    API_VERSION,
    manifest_location,
    matches_etag,
    parse_media_type,
)
from api.serving.body_limits import BodyLimits
from api.serving.lean import LeanRoute
from api.serving.prepared import PreparedHeaders, PreparedResponse, prepare_headers
from api.serving.streaming import read_body
from core.digest import Digest
from core.errors import (
    DigestInvalid,
    DigestMismatch,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestTooLarge,
    ManifestUnknown,
    ManifestUnverified,
    NameInvalid,
    OperationUnsupported,
    SizeInvalid,
    StorageFull,
    TagInvalid,
)
from core.manifest import Manifest, parse_manifest
from core.manifest.schema1 import VAGUE_MEDIA_TYPES, SignedManifest, is_signed_image
from core.storage import TAG_PATTERN, Reference, StoredManifest, Tag

__all__ = ["router"]

router = APIRouter(
    prefix="/v2/{name:path}/manifests",
    tags=["manifests"],
    default_response_class=Response,
    route_class=LeanRoute,
)

_INLINE_BYTES = 64 * 1024
"""Up to this size a manifest is parsed faster than a thread takes its turn."""

_MAX_PREPARED = 1024

IfNoneMatch = Annotated[
    str | None, Header(description="Pull only what has not this ETag.", examples=[ETAG.example])
]

# By the rules of OpenAPI it is no parameter: the contract tells it with the content.
Accept = Annotated[str | None, Header(include_in_schema=False)]

_FIELDS = (DIGEST_OF_CONTENT, ETAG, VARY)
_PUSHED = (DIGEST_OF_CONTENT, SUBJECT, TAGS)
_UNKNOWN = (NameInvalid, TagInvalid, DigestInvalid, ManifestUnknown)
_NOT_SERVED = (*_UNKNOWN, ManifestInvalid)
_REFUSED = (
    *(NameInvalid, TagInvalid, DigestInvalid, SizeInvalid, ManifestInvalid, ManifestBlobUnknown),
    *(ManifestUnverified, ManifestTooLarge, TooManyTags, BodyOverdue, StorageFull),
)


@router.get(
    "/{reference}",
    operation_id="getManifest",
    responses=answers(
        answer(200, "The manifest.", *_FIELDS, content=any_manifest()),
        not_modified(*_FIELDS),
        errors(*_NOT_SERVED),
    ),
)
@needs("pull")
async def get_manifest(
    repository: CurrentRepository,
    reference: ManifestReference,
    if_none_match: IfNoneMatch = None,
    accept: Accept = None,
) -> Response:
    """Pull a manifest, the very bytes that were pushed, whatever the Accept header lists.

    Only where the registry is set up to convert images from and to schema 1 does it count, for
    images that are asked for by tag.

    Spec: distribution-spec 1.1, "Pulling manifests" (end-3).
    """
    manifest = await repository.manifests.get(reference)
    varies = False
    if repository.conversions is not None and isinstance(reference, Tag):
        manifest = await find_accepted(repository.conversions, manifest, reference, accept)
        varies = True
    if if_none_match is not None and matches_etag(if_none_match, manifest.digest):
        return Response(status_code=304, headers=_fields_of(str(manifest.digest), varies=varies))
    return PreparedResponse(_prepare(manifest, varies=varies), manifest.payload)


@router.head(
    "/{reference}",
    operation_id="headManifest",
    responses=answers(
        answer(200, "The manifest is here.", *_FIELDS, CONTENT_LENGTH),
        not_modified(*_FIELDS),
        errors(*_NOT_SERVED, body=False),
    ),
)
@needs("pull")
async def head_manifest(
    repository: CurrentRepository,
    reference: ManifestReference,
    if_none_match: IfNoneMatch = None,
    accept: Accept = None,
) -> Response:
    """Ask whether a manifest is here, and for its digest, type and size.

    Spec: distribution-spec 1.1, "Checking if content exists in the registry" (end-3).
    """
    manifest = await repository.manifests.get(reference)
    varies = False
    if repository.conversions is not None and isinstance(reference, Tag):
        manifest = await find_accepted(repository.conversions, manifest, reference, accept)
        varies = True
    if if_none_match is not None and matches_etag(if_none_match, manifest.digest):
        return Response(status_code=304, headers=_fields_of(str(manifest.digest), varies=varies))
    return PreparedResponse(_prepare(manifest, varies=varies))


@router.put(
    "/{reference}",
    operation_id="putManifest",
    status_code=201,
    responses=answers(
        answer(201, "The manifest is published.", MANIFEST_LOCATION, *_PUSHED),
        errors(*_REFUSED),
    ),
    openapi_extra=manifest_body(),
)
@needs("pull", "push")
async def put_manifest(
    request: Request,
    repository: CurrentRepository,
    settings: CurrentSettings,
    access: CurrentAccess,
    reference: ManifestReference,
    content_type: Annotated[
        str | None,
        # The contract tells it with the body.
        Header(include_in_schema=False),
    ] = None,
    tag: Annotated[
        Sequence[str],
        Query(
            description="Tags to point to the manifest, besides the reference.",
            json_schema_extra={"items": {"type": "string", "pattern": f"^{TAG_PATTERN}$"}},
            examples=[["1.0", "latest"]],
        ),
    ] = (),
) -> Response:
    """Push a manifest, by tag or by digest.

    Spec: distribution-spec 1.1, "Pushing Manifests" (end-7a), "Pushing Manifests with Subject";
    development head: `tag` parameters (end-7b).
    """
    if len(tag) > settings.manifests.max_tags_per_push:
        raise TooManyTags(limit=settings.manifests.max_tags_per_push)
    extra_tags = [Tag.parse(text) for text in tag]
    tags = [reference, *extra_tags] if isinstance(reference, Tag) else extra_tags
    tags = list(dict.fromkeys(tags))
    if tags:
        access.require("tag", str(repository.name))
    payload = await read_body(
        request,
        settings.manifests.max_bytes,
        settings.uploads.body_timeout_seconds,
        BodyLimits.of_document(settings.uploads),
    )
    await access.ask_again(put_manifest, str(repository.name))
    if tags:
        access.require("tag", str(repository.name))
    media_type = parse_media_type(content_type)
    manifest: Manifest | SignedManifest
    if await _is_signed_image(payload, media_type):
        manifest = await repository.manifests.read_signed(payload, reference)
    else:
        manifest = await _parse(payload, media_type, reference, settings.manifests.max_depth)
    async with setting_tags(repository, access, tags, manifest.digest):
        if isinstance(manifest, SignedManifest):
            await repository.manifests.put_signed(manifest, tags)
        else:
            await repository.manifests.put(manifest, tags)
    access.note(
        "push",
        repository=str(repository.name),
        digest=str(manifest.digest),
        tags=[str(one) for one in tags],
    )
    headers = {
        **API_VERSION,
        "Location": manifest_location(repository.name, manifest.digest),
        "Docker-Content-Digest": str(manifest.digest),
    }
    if manifest.subject is not None:
        headers["OCI-Subject"] = str(manifest.subject.digest)
    if extra_tags:
        headers["OCI-Tag"] = ", ".join(str(value) for value in extra_tags)
    return Response(status_code=201, headers=headers)


@router.delete(
    "/{reference}",
    operation_id="deleteManifest",
    status_code=202,
    dependencies=[DeleteAllowed],
    responses=answers(
        answer(202, "The tag or the manifest is gone."), errors(*_UNKNOWN, OperationUnsupported)
    ),
)
@needs("delete")
async def delete_manifest(
    repository: CurrentRepository, access: CurrentAccess, reference: ManifestReference
) -> Response:
    """Remove a tag, or a manifest with all tags that point to it.

    Spec: distribution-spec 1.1, "Deleting tags", "Deleting Manifests" (end-9).
    """
    async with deleting(repository, access, reference):
        if isinstance(reference, Tag):
            await repository.tags.remove(reference)
        else:
            await repository.manifests.delete(reference)
    access.note("delete", repository=str(repository.name), reference=str(reference))
    return Response(status_code=202, headers=API_VERSION)


async def _is_signed_image(payload: bytes, media_type: str | None) -> bool:
    if len(payload) <= _INLINE_BYTES or media_type not in VAGUE_MEDIA_TYPES:
        return is_signed_image(payload, media_type)
    return await to_thread.run_sync(is_signed_image, payload, media_type)


async def _parse(
    payload: bytes, media_type: str | None, reference: Reference, max_depth: int
) -> Manifest:
    if len(payload) <= _INLINE_BYTES:
        return _parse_verified(payload, media_type, reference, max_depth)
    return await to_thread.run_sync(_parse_verified, payload, media_type, reference, max_depth)


def _parse_verified(
    payload: bytes, media_type: str | None, reference: Reference, max_depth: int
) -> Manifest:
    if isinstance(reference, Tag):
        return parse_manifest(payload, media_type, Digest.of(payload), max_depth=max_depth)
    actual = Digest.of(payload, reference.algorithm)
    if actual != reference:
        raise DigestMismatch(expected=str(reference), actual=str(actual))
    return parse_manifest(payload, media_type, actual, max_depth=max_depth)


def _fields_of(digest: str, *, varies: bool) -> dict[str, str]:
    headers = {**API_VERSION, "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
    if varies:
        headers["Vary"] = "Accept"
    return headers


def _prepare(manifest: StoredManifest, *, varies: bool) -> PreparedHeaders:
    digest, size = manifest.digest, len(manifest.payload)
    name = digest.algorithm.name
    return _prepare_headers(name, digest.encoded, manifest.media_type, size, varies=varies)


# By the parts of a digest, whose own hash takes longer than the rest of finding it.
@functools.lru_cache(_MAX_PREPARED)
def _prepare_headers(
    algorithm: str, encoded: str, media_type: str, size: int, *, varies: bool
) -> PreparedHeaders:
    headers = _fields_of(f"{algorithm}:{encoded}", varies=varies)
    return prepare_headers({**headers, "Content-Type": media_type, "Content-Length": str(size)})
