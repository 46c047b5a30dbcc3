"""end-1: whether this is a registry at all."""

from fastapi import APIRouter
from starlette.responses import Response

from api.headers import API_VERSION

__all__ = ["router"]

router = APIRouter(tags=["registry"])


@router.get("/v2/", operation_id="checkApi")
@router.get("/v2", include_in_schema=False)
@router.head("/v2/", include_in_schema=False)
@router.head("/v2", include_in_schema=False)
async def check_api() -> Response:
    """Answer that the protocol is spoken here.

    Spec: distribution-spec 1.1, "Determining Support" (end-1).
    """
    return Response(b"{}", headers=API_VERSION, media_type="application/json")
