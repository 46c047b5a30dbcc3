"""Whether the service can do its work, for whoever balances load or restarts it. Not in /v2/."""

from fastapi import APIRouter
from starlette.responses import Response

from api.access import needs_nothing
from api.dependencies import TheRegistry

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
@router.head("/healthz")
@needs_nothing
async def check_health(registry: TheRegistry) -> Response:
    """Answer 200 if the store answers, and 503 with an error body if it does not."""
    await registry.check()
    return Response(b"ok\n", media_type="text/plain", headers={"Cache-Control": "no-store"})
