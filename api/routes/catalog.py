"""The repositories of the registry, as Docker's registry lists them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter
from starlette.responses import Response

from api.access import needs_catalog
from api.access.request_access import RequestAccess
from api.contract import answer, answers, document, errors
from api.contract.headers import NEXT_PAGE
from api.dependencies import CurrentAccess, CurrentSettings, LastParameter, NParameter, TheRegistry
from api.headers import API_VERSION, format_next
from api.models import Catalog
from api.pages import take_page
from core.errors import PaginationInvalid
from core.storage import RepositoryName

__all__ = ["router"]

router = APIRouter(tags=["registry"], default_response_class=Response)


@router.get(
    "/v2/_catalog",
    operation_id="listRepositories",
    responses=answers(
        answer(200, "A page of the list.", NEXT_PAGE, content=document(Catalog)),
        errors(PaginationInvalid, guarded="login"),
    ),
)
@needs_catalog
async def list_repositories(
    registry: TheRegistry,
    settings: CurrentSettings,
    access: CurrentAccess,
    n: NParameter = None,
    last: LastParameter = None,
) -> Response:
    """List the repositories that have or had manifests, in pages; a parent before its children.

    Where access is controlled, only those that the asker may pull from are shown.

    Not in the distribution spec: Docker Registry HTTP API V2, "Listing Repositories".
    """
    limits = settings.lists
    size = limits.default_catalog_entries if n is None else min(n, limits.max_entries)
    found = registry.list_repositories(last or "")
    if not access.is_open:
        found = _pullable(found, access)
    names, more = await take_page(found, size)
    body = Catalog(repositories=[str(name) for name in names])
    headers = dict(API_VERSION)
    if more and names:
        headers["Link"] = format_next("/v2/_catalog", n=size, last=str(names[-1]))
    return Response(body.model_dump_json(), headers=headers, media_type="application/json")


async def _pullable(
    names: AsyncGenerator[RepositoryName, None], access: RequestAccess
) -> AsyncGenerator[RepositoryName, None]:
    async with aclosing(names):
        async for name in names:
            if access.allows("pull", str(name)):
                yield name
