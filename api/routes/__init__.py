"""The endpoints, one file for each kind of resource. The router lists them in matching order."""

from fastapi import APIRouter

from api.routes import (
    base,
    blobs,
    catalog,
    docs,
    health,
    manifests,
    referrers,
    tags,
    token,
    uploads,
)

__all__ = ["protocol_routes", "router"]

router = APIRouter()
for _part in (base, docs, health, token, catalog, uploads, blobs, manifests, referrers, tags):
    router.include_router(_part.router)

protocol_routes = [
    route for part in (uploads, blobs, manifests, referrers, tags) for route in part.router.routes
]
"""Those below the name of a repository, in their order."""
