"""`build_contract`: the OpenAPI document, from the routes and what `api.contract` adds to them."""

from collections.abc import Sequence
from importlib import metadata
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from api.contract.headers import FIELDS
from api.models import Catalog, ErrorList, KeySet, TagList, TokenAnswer
from core.manifest import MANIFEST_MODELS, SignedImage

__all__ = ["build_contract"]

_DESCRIPTION = """\
The protocol of the OCI distribution specification 1.1, and of Docker's registry before it.

**Push.** `POST /v2/{name}/blobs/uploads/` begins an upload and answers where it goes (`Location`).
`PATCH` there adds bytes, as often as needed; `PUT` there with the `digest` publishes the blob.
Small blobs go in one request: `POST /v2/{name}/blobs/uploads/?digest=...`.
A blob that another repository has is mounted: `POST ...?mount=<digest>&from=<repository>`.
Once all its blobs are there, `PUT /v2/{name}/manifests/{reference}` pushes the manifest.

**Pull.** `GET /v2/{name}/manifests/{reference}` by tag or digest answers the manifest, exactly as
it was pushed; `GET /v2/{name}/blobs/{digest}` answers each blob that it names, whole or in ranges.

**Access.** A registry that asks who you are answers 401, with `WWW-Authenticate` telling how to
prove it, and 403 to those who may not do what they ask for.

**Errors** have a body with one item for each fault (`ErrorList`); errors of `HEAD` have none.
A slash in the name of a repository may be sent as it is or as `%2F`.
"""

_SECURITY_SCHEMES = {
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "The name and password of a user, or the name and secret of a robot.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token that is good for some repositories, for a short time. A 401 tells "
        "in `WWW-Authenticate` who gives one.",
    },
}

_TAGS = [
    {"name": "registry", "description": "The registry itself, and the repositories in it."},
    {"name": "uploads", "description": "Pushing blobs, in one request or in many."},
    {"name": "blobs", "description": "Pulling and deleting blobs: layers and configurations."},
    {"name": "manifests", "description": "Manifests, and the tags that point to them."},
    {"name": "referrers", "description": "Manifests about others: signatures, bills of material."},
    {"name": "tags", "description": "The tags of a repository."},
    {"name": "tokens", "description": "Tokens, where the registry is its own token server."},
]


def build_contract(routes: Sequence[BaseRoute | RouteContext]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `routes`, the same for the same code."""
    contract = get_openapi(
        title="Moorage",
        version=_version(),
        summary="A container registry.",
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        routes=routes,
        tags=_TAGS,
    )
    for operations in contract["paths"].values():
        for operation in operations.values():
            _split_description(operation)
            for parameter in operation.get("parameters", ()):
                _tidy_parameter(parameter)
    # Nobody has to prove anything to a registry that is open, so that none is one of the ways.
    contract["security"] = [{"password": []}, {"token": []}, {}]
    contract["components"] = {
        "securitySchemes": _SECURITY_SCHEMES,
        "headers": {field.key: field.describe() for field in FIELDS},
        "schemas": _schemas(),
    }
    return contract


def _version() -> str:
    try:
        return metadata.version("moorage")
    except metadata.PackageNotFoundError:
        # Run from its sources, which is enough for everything but the number.
        return "0"


def _split_description(operation: dict[str, Any]) -> None:
    """Make the first sentence of the route's docstring the summary."""
    summary, _, rest = operation["description"].partition("\n\n")
    operation["summary"] = " ".join(summary.split()).removesuffix(".")
    operation["description"] = rest


def _tidy_parameter(parameter: dict[str, Any]) -> None:
    """Say what can be sent: a parameter may be left out, but is never null."""
    schema = parameter["schema"]
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
    for kind in kinds:
        schema |= kind
    for told_elsewhere in ("title", "description", "default"):
        schema.pop(told_elsewhere, None)
    if schema.pop("required", False):
        parameter["required"] = True
    if parameter["in"] == "header":
        parameter["name"] = parameter["name"].title()


def _may_leave_out_its_type(model: type[BaseModel]) -> bool:
    field = model.model_fields.get("media_type")
    return field is not None and not field.is_required()


def _schemas() -> dict[str, Any]:
    manifests = [*MANIFEST_MODELS.values(), SignedImage]
    models = [Catalog, ErrorList, KeySet, TagList, TokenAnswer, *manifests]
    _, found = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Any] = found["$defs"]
    schemas["Manifest"] = {
        "title": "Manifest",
        "description": "A manifest of any type; its media type says which.",
        # Those that must tell their type come first, for readers that take the first that fits.
        "anyOf": [
            {"$ref": f"#/components/schemas/{model.__name__}"}
            for model in sorted(manifests, key=_may_leave_out_its_type)
        ],
    }
    return dict(sorted(schemas.items()))
