"""The page on which the contract is read and tried out, with everything it needs."""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from api.access import needs_nothing

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_PACKAGE = "fastapi_offline"
_VERSION = metadata.version(_PACKAGE)
# Located, not imported: of the package only these files are used.
_FOLDER = Path(str(metadata.distribution(_PACKAGE).locate_file(f"{_PACKAGE}/static")))
_MEDIA_TYPES: Mapping[str, str] = {
    "favicon.png": "image/png",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
"""The files of the package that are served: these, and no path that a client makes up."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

_PAGE = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Moorage</title>
<link rel="icon" type="image/png" href="docs/favicon.png?v={_VERSION}">
<link rel="stylesheet" href="docs/swagger-ui.css?v={_VERSION}">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js?v={_VERSION}"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
});
"""


@router.api_route("/docs", methods=["GET", "HEAD"])
@needs_nothing
async def show_docs() -> Response:
    """Answer the page. Nothing on it comes from elsewhere, and no script is in it."""
    return Response(
        _PAGE,
        headers={**_SAFE, "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY},
        media_type="text/html",
    )


@router.api_route("/docs/start.js", methods=["GET", "HEAD"])
@needs_nothing
async def start_docs() -> Response:
    """Answer the script that starts the page."""
    headers = {**_SAFE, "Cache-Control": "no-cache"}
    return Response(_START, headers=headers, media_type="text/javascript")


@router.api_route("/docs/{file}", methods=["GET", "HEAD"])
@needs_nothing
async def get_docs_file(file: str) -> Response:
    """Answer a file of the page, to be kept for a year: its address tells its version."""
    media_type = _MEDIA_TYPES.get(file)
    if media_type is None:
        raise HTTPException(404)
    return FileResponse(
        _FOLDER / file,
        media_type=media_type,
        headers={**_SAFE, "Cache-Control": "public, max-age=31536000, immutable"},
    )
