"""end-8: the tags of a repository."""

from fastapi import APIRouter
from starlette.responses import Response

from api.access import needs
from api.contract import answer, answers, document, errors
from api.contract.headers import NEXT_PAGE
from api.dependencies import CurrentRepository, CurrentSettings, LastParameter, NParameter
from api.headers import API_VERSION, format_next
from api.models import TagList
from api.pages import take_page
from api.serving.lean import LeanRoute
from core.errors import NameInvalid, NameUnknown, PaginationInvalid

__all__ = ["router"]

router = APIRouter(
    prefix="/v2/{name:path}/tags",
    tags=["tags"],
    default_response_class=Response,
    route_class=LeanRoute,
)


@router.get(
    "/list",
    operation_id="listTags",
    responses=answers(
        answer(200, "A page of the list.", NEXT_PAGE, content=document(TagList)),
        errors(NameInvalid, NameUnknown, PaginationInvalid),
    ),
)
@needs("pull", rule="list")
async def list_tags(
    repository: CurrentRepository,
    settings: CurrentSettings,
    n: NParameter = None,
    last: LastParameter = None,
) -> Response:
    """List the tags of a repository in byte order, in pages.

    Spec: distribution-spec 1.1, "Listing Tags" (end-8a, end-8b).
    """
    limits = settings.lists
    size = limits.default_tags_entries if n is None else min(n, limits.max_entries)
    tags, more = await take_page(repository.list_tags(last or ""), size)
    body = TagList(name=str(repository.name), tags=[str(tag) for tag in tags])
    headers = dict(API_VERSION)
    if more and tags:
        path = f"/v2/{repository.name}/tags/list"
        headers["Link"] = format_next(path, n=size, last=str(tags[-1]))
    return Response(body.model_dump_json(), headers=headers, media_type="application/json")
