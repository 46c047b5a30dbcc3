"""end-4, 5, 6, 11, 13 and 14: pushing blobs."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from api.access import needs
from api.access.request_access import RequestAccess
from api.contract import answer, answers, blob_body, errors
from api.contract.examples import DIGEST
from api.contract.headers import (
    BLOB_LOCATION,
    DIGEST_OF_CONTENT,
    RECEIVED,
    UPLOAD_LOCATION,
    UPLOAD_UUID,
)
from api.dependencies import (
    DIGEST_PATTERN,
    CurrentAccess,
    CurrentRepository,
    CurrentSettings,
    UploadId,
)
from api.errors import BodyOverdue
from api.headers import (
    API_VERSION,
    blob_location,
    format_received,
    parse_content_range,
    upload_location,
)
from api.serving.body_limits import BodyLimits
from api.serving.lean import LeanRoute
from api.serving.streaming import IncomingBody, receive_body
from core.digest import SHA256, Digest, get_algorithm
from core.errors import (
    BlobTooLarge,
    DigestInvalid,
    NameInvalid,
    RangeInvalid,
    SizeInvalid,
    StorageFull,
    UploadBusy,
    UploadUnknown,
)
from core.storage import MAX_NAME_LENGTH, NAME_PATTERN, LayerUpload, Repository, RepositoryName

__all__ = ["router"]

router = APIRouter(
    prefix="/v2/{name:path}/blobs/uploads",
    tags=["uploads"],
    default_response_class=Response,
    route_class=LeanRoute,
)

OffsetParameter = Annotated[
    int | None,
    Query(
        ge=0,
        description="Where the upload ends, as its latest Location says; anything else is 416.",
        examples=[0],
    ),
]
ContentRange = Annotated[
    str | None,
    Header(
        description="Inclusive range of the chunk: `start-end`.",
        json_schema_extra={"pattern": "^[0-9]+-[0-9]+$"},
        examples=["0-1023"],
    ),
]

_DIGEST_SCHEMA = {"pattern": f"^{DIGEST_PATTERN}$"}
_PROGRESS = (UPLOAD_LOCATION, RECEIVED, UPLOAD_UUID)
_PUBLISHED = answer(201, "The blob is published.", BLOB_LOCATION, DIGEST_OF_CONTENT)
_UNKNOWN = (NameInvalid, UploadUnknown)
_OUTDATED = (UPLOAD_LOCATION, RECEIVED)


@router.post(
    "/",
    operation_id="startUpload",
    status_code=202,
    responses=answers(
        _PUBLISHED,
        answer(202, "The upload has begun.", *_PROGRESS),
        errors(NameInvalid, DigestInvalid, BlobTooLarge, BodyOverdue, StorageFull),
    ),
    openapi_extra=blob_body("The whole blob, if `digest` is given.", required=False),
)
@router.post("", include_in_schema=False)
@needs("pull", "push")
async def start_upload(
    request: Request,
    repository: CurrentRepository,
    settings: CurrentSettings,
    access: CurrentAccess,
    digest: Annotated[
        str | None,
        Query(
            description="Digest of the body, which is the whole blob.",
            json_schema_extra=_DIGEST_SCHEMA,
            examples=[DIGEST],
        ),
    ] = None,
    mount: Annotated[
        str | None,
        Query(
            description="Digest of a blob that another repository has.",
            json_schema_extra=_DIGEST_SCHEMA,
            examples=[DIGEST],
        ),
    ] = None,
    from_: Annotated[
        str | None,
        Query(
            alias="from",
            description="The repository that has it; without, any one does.",
            json_schema_extra={"pattern": f"^{NAME_PATTERN}$", "maxLength": MAX_NAME_LENGTH},
            examples=["base/alpine"],
        ),
    ] = None,
    digest_algorithm: Annotated[
        str | None,
        Query(
            alias="digest-algorithm",
            description="Algorithm of the digest that will follow.",
            examples=["sha512"],
        ),
    ] = None,
) -> Response:
    """Begin an upload, or push a blob in this one request, or mount one.

    Spec: distribution-spec 1.1, "Pushing blobs" (end-4a, end-4b), "Mounting a blob from another
    repository" (end-11); a mount that cannot be done begins an upload.
    """
    mounted = await _mount(repository, access, mount, from_)
    if mounted is not None:
        return _created(repository, mounted)
    if digest is not None:
        return await _push_whole(request, repository, settings, _parse_digest(digest))
    algorithm = SHA256 if digest_algorithm is None else get_algorithm(_with_plus(digest_algorithm))
    upload_id = await access.new_upload_id(str(repository.name))
    async with await repository.layers.upload(algorithm, upload_id) as upload:
        return _progress(repository, upload, status=202)


@router.get(
    "/{upload_id}",
    operation_id="getUpload",
    status_code=204,
    responses=answers(answer(204, "So much has come.", *_PROGRESS), errors(*_UNKNOWN)),
)
@router.head(
    "/{upload_id}",
    operation_id="headUpload",
    status_code=204,
    responses=answers(answer(204, "So much has come.", *_PROGRESS), errors(*_UNKNOWN, body=False)),
)
@needs("pull")
async def get_upload(repository: CurrentRepository, upload_id: UploadId) -> Response:
    """Ask how much of an upload has come.

    Spec: distribution-spec 1.1, "Pushing a blob in chunks" (end-13).
    """
    async with await repository.layers.resume(upload_id) as upload:
        return _progress(repository, upload, status=204)


@router.patch(
    "/{upload_id}",
    operation_id="patchUpload",
    status_code=202,
    responses=answers(
        answer(202, "The bytes are kept; more may follow.", *_PROGRESS),
        errors(
            *(*_UNKNOWN, UploadBusy, SizeInvalid, RangeInvalid),
            *(BlobTooLarge, BodyOverdue, StorageFull),
            fields={416: _OUTDATED},
        ),
    ),
    openapi_extra=blob_body("The next bytes of the blob."),
)
@needs("pull", "push")
async def patch_upload(
    request: Request,
    repository: CurrentRepository,
    settings: CurrentSettings,
    upload_id: UploadId,
    offset: OffsetParameter = None,
    content_range: ContentRange = None,
) -> Response:
    """Add a chunk, or a stream of any length, to an upload.

    Spec: distribution-spec 1.1, "Pushing a blob in chunks" (end-5).
    """
    async with await repository.layers.resume_writing(upload_id) as upload:
        start, size = _parse_chunk(request, upload, offset, content_range)
        body = _receive(request, settings, upload.offset)
        await upload.read_from(body, start=start, size=size)
        # The bytes are durable once the upload is let go of, and not before.
        await upload.aclose()
        return _progress(repository, upload, status=202)


@router.put(
    "/{upload_id}",
    operation_id="finishUpload",
    status_code=201,
    responses=answers(
        _PUBLISHED,
        errors(
            *(*_UNKNOWN, UploadBusy, DigestInvalid, SizeInvalid, RangeInvalid),
            *(BlobTooLarge, BodyOverdue, StorageFull),
            fields={416: _OUTDATED},
        ),
    ),
    openapi_extra=blob_body("The last bytes of the blob, if any are missing.", required=False),
)
@needs("pull", "push")
async def finish_upload(
    request: Request,
    repository: CurrentRepository,
    settings: CurrentSettings,
    upload_id: UploadId,
    digest: Annotated[
        str | None,
        Query(
            description="Digest of the whole blob.",
            json_schema_extra={**_DIGEST_SCHEMA, "required": True},
            examples=[DIGEST],
        ),
    ] = None,
    offset: OffsetParameter = None,
    content_range: ContentRange = None,
) -> Response:
    """End an upload, with or without a last chunk, and publish the blob if the digest is right.

    Spec: distribution-spec 1.1, "POST then PUT", "Pushing a blob in chunks" (end-6).
    """
    if digest is None:
        raise DigestInvalid("", "the digest parameter is missing")
    expected = _parse_digest(digest)
    async with await repository.layers.resume_writing(upload_id, expected.algorithm) as upload:
        start, size = _parse_chunk(request, upload, offset, content_range)
        body = _receive(request, settings, upload.offset)
        layer = await upload.finish_with(body, expected, start=start, size=size)
        return _created(repository, layer.identity)


@router.delete(
    "/{upload_id}",
    operation_id="cancelUpload",
    status_code=204,
    responses=answers(answer(204, "The upload is gone.", UPLOAD_UUID), errors(*_UNKNOWN)),
)
@needs("pull", "push")
async def cancel_upload(repository: CurrentRepository, upload_id: UploadId) -> Response:
    """Abandon an upload and delete what has come.

    Spec: distribution-spec 1.1 development head, "Cancel a blob upload" (end-14).
    """
    async with await repository.layers.resume(upload_id) as upload:
        await upload.cancel()
    return Response(status_code=204, headers={**API_VERSION, "Docker-Upload-UUID": upload_id})


async def _mount(
    repository: Repository, access: RequestAccess, mount: str | None, source: str | None
) -> Digest | None:
    if mount is None:
        return None
    try:
        digest = _parse_digest(mount)
        name = None if source is None else RepositoryName.parse(source)
    except (DigestInvalid, NameInvalid):
        # Spec: a mount that cannot be done begins an upload.
        return None
    if name is None:
        # Nobody knows which repository would give it, and whether the sender may pull there.
        if not access.is_open:
            return None
    elif not access.may_mount(str(name), str(repository.name)):
        return None
    layer = await repository.layers.mount(digest, name)
    return None if layer is None else layer.identity


async def _push_whole(
    request: Request, repository: Repository, settings: CurrentSettings, digest: Digest
) -> Response:
    layer = await repository.layers.push(_receive(request, settings), digest)
    return _created(repository, layer.identity)


def _parse_digest(text: str) -> Digest:
    return Digest.parse(_with_plus(text))


def _with_plus(text: str) -> str:
    # A plus that a client has not escaped in a query is read as a space, which no digest has.
    return text.replace(" ", "+")


def _receive(request: Request, settings: CurrentSettings, earlier_bytes: int = 0) -> IncomingBody:
    limits = BodyLimits.of_blob(settings.uploads, earlier_bytes)
    return receive_body(request, settings.uploads.body_timeout_seconds, limits)


def _parse_chunk(
    request: Request, upload: LayerUpload, offset: int | None, content_range: str | None
) -> tuple[int | None, int | None]:
    """Return where the chunk starts and how long it is, as far as the client says so.

    Raises:
        RangeInvalid: that is not where the upload ends, or cannot be read.
        SizeInvalid: the length of the body is another one.
    """
    start, size = offset, None
    if content_range is not None:
        chunk = parse_content_range(content_range)
        if chunk is None:
            raise RangeInvalid(
                "Content-Range is not of the form start-end",
                offset=upload.offset,
                given=content_range,
            )
        if offset is not None and offset != upload.offset:
            raise RangeInvalid(
                "this location of the upload is outdated",
                offset=upload.offset,
                given=str(offset),
            )
        start, size = chunk[0], chunk[1] - chunk[0]
        length = request.headers.get("content-length")
        if start == upload.offset and length is not None and int(length) != size:
            raise SizeInvalid(expected=size, actual=int(length))
    return start, size


def _progress(repository: Repository, upload: LayerUpload, *, status: int) -> Response:
    return Response(
        status_code=status,
        headers={
            **API_VERSION,
            "Location": upload_location(repository.name, upload.upload_id, upload.offset),
            "Range": format_received(upload.offset),
            "Docker-Upload-UUID": upload.upload_id,
        },
    )


def _created(repository: Repository, digest: Digest) -> Response:
    return Response(
        status_code=201,
        headers={
            **API_VERSION,
            "Location": blob_location(repository.name, digest),
            "Docker-Content-Digest": str(digest),
        },
    )
