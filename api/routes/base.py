"""end-1: whether this is a registry at all."""

from fastapi import APIRouter
from starlette.responses import Response

from api.access import needs_login
from api.contract import answer, answers, errors
from api.headers import API_VERSION

__all__ = ["router"]

router = APIRouter(tags=["registry"], default_response_class=Response)

_OBJECT = {"application/json": {"schema": {"type": "object"}, "example": {}}}
_SPOKEN = "The protocol is spoken here."


@router.get(
    "/v2/",
    operation_id="checkApi",
    responses=answers(
        answer(200, _SPOKEN, content=_OBJECT), errors(storage=False, guarded="login")
    ),
)
@router.get("/v2", include_in_schema=False)
@router.head(
    "/v2/",
    operation_id="headApi",
    responses=answers(answer(200, _SPOKEN), errors(body=False, storage=False, guarded="login")),
)
@router.head("/v2", include_in_schema=False)
@needs_login
async def check_api() -> Response:
    """Answer that the protocol is spoken here.

    Spec: distribution-spec 1.1, "Determining Support" (end-1).
    """
    return Response(b"{}", headers=API_VERSION, media_type="application/json")
