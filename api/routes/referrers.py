"""end-12: the manifests that have something to say about another one."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.access import needs
from api.contract import answer, answers, document, errors
from api.contract.examples import MANIFESTS
from api.contract.headers import FILTERS_APPLIED, NEXT_PAGE
from api.dependencies import (
    BlobDigest,
    CurrentRepository,
    CurrentSettings,
    LastParameter,
    NParameter,
)
from api.headers import API_VERSION, format_next
from api.serving.lean import LeanRoute
from core.errors import DigestInvalid, NameInvalid, PaginationInvalid
from core.manifest import OCI_INDEX, Descriptor, ImageIndex

__all__ = ["router"]

router = APIRouter(
    prefix="/v2/{name:path}/referrers",
    tags=["referrers"],
    default_response_class=Response,
    route_class=LeanRoute,
)

_INDEX = document(ImageIndex, OCI_INDEX, MANIFESTS[OCI_INDEX])


@router.get(
    "/{digest}",
    operation_id="listReferrers",
    responses=answers(
        answer(200, "A page of the list.", FILTERS_APPLIED, NEXT_PAGE, content=_INDEX),
        errors(NameInvalid, DigestInvalid, PaginationInvalid),
    ),
)
@needs("pull")
async def list_referrers(
    repository: CurrentRepository,
    settings: CurrentSettings,
    digest: BlobDigest,
    artifact_type: Annotated[
        str | None,
        Query(
            alias="artifactType",
            description="List only what has this type.",
            examples=["application/vnd.example.sbom.v1"],
        ),
    ] = None,
    n: NParameter = None,
    last: LastParameter = None,
) -> Response:
    """List the manifests whose subject is `digest`, which need not be here itself.

    Spec: distribution-spec 1.1, "Listing Referrers" (end-12a, end-12b).
    """
    found = await repository.referrers.list(digest)
    headers = dict(API_VERSION)
    parameters: dict[str, str | int] = {}
    if artifact_type is not None:
        found = [descriptor for descriptor in found if descriptor.artifact_type == artifact_type]
        headers["OCI-Filters-Applied"] = "artifactType"
        parameters["artifactType"] = artifact_type
    rest = [descriptor for descriptor in found if str(descriptor.digest) > (last or "")]
    limit = settings.lists.max_entries
    page = _fit(rest[: limit if n is None else min(n, limit)], settings.manifests.max_bytes)
    if page and len(page) < len(rest):
        path = f"/v2/{repository.name}/referrers/{digest}"
        parameters |= {} if n is None else {"n": n}
        headers["Link"] = format_next(path, last=str(page[-1].digest), **parameters)
    index = ImageIndex(schemaVersion=2, mediaType=OCI_INDEX, manifests=page)
    return Response(index.model_dump_json(exclude_none=True), headers=headers, media_type=OCI_INDEX)


def _fit(descriptors: list[Descriptor], max_bytes: int) -> list[Descriptor]:
    """Return the first descriptors, at least one, that make an index of `max_bytes` at most."""
    page: list[Descriptor] = []
    total = 0
    for descriptor in descriptors:
        total += len(descriptor.model_dump_json(exclude_none=True)) + 1
        if page and total > max_bytes:
            break
        page.append(descriptor)
    return page
