"""The repositories of the registry, as Docker's registry lists them."""

from fastapi import APIRouter
from starlette.responses import Response

from api.contract import answer, answers, document, errors
from api.contract.headers import NEXT_PAGE
from api.dependencies import CurrentSettings, LastParameter, NParameter, TheRegistry
from api.headers import API_VERSION, format_next
from api.models import Catalog
from api.pages import take_page
from core.errors import PaginationInvalid

__all__ = ["router"]

router = APIRouter(tags=["registry"], default_response_class=Response)


@router.get(
    "/v2/_catalog",
    operation_id="listRepositories",
    responses=answers(
        answer(200, "A page of the list.", NEXT_PAGE, content=document(Catalog)),
        errors(PaginationInvalid),
    ),
)
async def list_repositories(
    registry: TheRegistry,
    settings: CurrentSettings,
    n: NParameter = None,
    last: LastParameter = None,
) -> Response:
    """List the repositories that have or had manifests, in pages; a parent before its children.

    Not in the distribution spec: Docker Registry HTTP API V2, "Listing Repositories".
    """
    limits = settings.lists
    size = limits.default_catalog_entries if n is None else min(n, limits.max_entries)
    names, more = await take_page(registry.list_repositories(last or ""), size)
    body = Catalog(repositories=[str(name) for name in names])
    headers = dict(API_VERSION)
    if more and names:
        headers["Link"] = format_next("/v2/_catalog", n=size, last=str(names[-1]))
    return Response(body.model_dump_json(), headers=headers, media_type="application/json")
