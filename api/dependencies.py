"""What routes are given: path and query text, parsed into the values of the registry."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import BeforeValidator

from api.access import find_needs
from api.access.gate import Gate
from api.access.policies import Policies
from api.access.request_access import RequestAccess
from api.serving.lean_calls import of_the_path
from api.settings import Settings
from core.access.tokens.service import TokenService
from core.digest import Digest
from core.errors import OperationUnsupported
from core.storage import (
    MAX_NAME_LENGTH,
    NAME_PATTERN,
    TAG_PATTERN,
    Reference,
    Registry,
    Repository,
    RepositoryName,
    parse_reference,
)

__all__ = [
    "DIGEST_PATTERN",
    "AccessChecked",
    "BlobDigest",
    "CurrentAccess",
    "CurrentRepository",
    "CurrentSettings",
    "DeleteAllowed",
    "LastParameter",
    "ManifestReference",
    "NParameter",
    "RegistryState",
    "TheRegistry",
    "UploadId",
]

DIGEST_PATTERN = r"[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+"
"""Spec: OCI image-spec, "Digests": the grammar of a digest, of any algorithm."""

_EXAMPLE_DIGEST = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryState:
    """What the lifespan of the application opens, kept as `app.state.moorage`."""

    registry: Registry
    settings: Settings
    policies: Policies
    tokens: TokenService | None = None
    """None where the registry is not its own token server."""


async def _get_settings(request: Request) -> Settings:
    state: RegistryState = request.app.state.moorage
    return state.settings


async def _get_registry(request: Request) -> Registry:
    state: RegistryState = request.app.state.moorage
    return state.registry


async def _check_access(request: Request) -> None:
    declared = find_needs(request.scope["endpoint"])
    if declared is None:
        raise TypeError("an endpoint that does not declare what it needs is for nobody")
    gate: Gate | None = request.app.gate
    name = request.path_params.get("name", "")
    if gate is not None and not gate.admits(request.scope, declared, name):
        await gate.admit(request.scope, declared, name)


async def _get_access(request: Request) -> RequestAccess:
    state: RegistryState = request.app.state.moorage
    return RequestAccess(request.app.gate, state.policies, request.scope)


AccessChecked = Depends(_check_access)
"""Of every route that FastAPI serves; a lean route sees to it by itself."""

CurrentAccess = Annotated[RequestAccess, Depends(_get_access)]
CurrentSettings = Annotated[Settings, Depends(_get_settings)]
TheRegistry = Annotated[Registry, Depends(_get_registry)]


@of_the_path
async def _get_repository(
    registry: TheRegistry,
    name: Annotated[
        str,
        Path(
            description="Name of the repository. A slash may also be sent as `%2F`.",
            # The pattern is for readers of the contract: `RepositoryName` itself checks it, and
            # answers with the code of the protocol.
            json_schema_extra={"pattern": f"^{NAME_PATTERN}$", "maxLength": MAX_NAME_LENGTH},
            examples=["team/app"],
        ),
    ],
) -> Repository:
    return registry.repository(RepositoryName.parse(name))


@of_the_path
async def _get_digest(
    digest: Annotated[
        str,
        Path(
            description="Digest of the blob: sha256, sha384, sha512 or a tarsum.",
            json_schema_extra={"pattern": f"^{DIGEST_PATTERN}$"},
            examples=[_EXAMPLE_DIGEST],
        ),
    ],
) -> Digest:
    return Digest.parse(digest)


@of_the_path
async def _get_reference(
    reference: Annotated[
        str,
        Path(
            description="Tag or digest of the manifest.",
            json_schema_extra={"pattern": f"^({TAG_PATTERN}|{DIGEST_PATTERN})$"},
            examples=["latest", _EXAMPLE_DIGEST],
        ),
    ],
) -> Reference:
    return parse_reference(reference)


async def _get_upload_id(
    request: Request,
    name: Annotated[str, Path(include_in_schema=False)],
    upload_id: Annotated[
        str,
        Path(
            description="Id of the upload, as its Location has it.",
            # A string and no UUID: what it looks like is no promise of the contract.
            json_schema_extra={"pattern": "^[a-zA-Z0-9_.=-]+$"},
            examples=["7b7c61a5-2ab0-4f6c-a5c3-0b1f2a64f4b5"],
        ),
    ],
) -> str:
    await (await _get_access(request)).require_upload(upload_id, name)
    return upload_id


async def _check_delete_allowed(settings: CurrentSettings) -> None:
    if not settings.delete.enabled:
        raise OperationUnsupported("deleting is switched off: delete.enabled is false")


def _check_digits(value: object) -> object:
    # Pydantic takes "1.0", "+1" and "1_0" for integers too.
    if isinstance(value, str) and re.fullmatch("-?[0-9]+", value) is None:
        raise ValueError("not an integer")
    return value


CurrentRepository = Annotated[Repository, Depends(_get_repository)]
BlobDigest = Annotated[Digest, Depends(_get_digest)]
ManifestReference = Annotated[Reference, Depends(_get_reference)]
DeleteAllowed = Depends(_check_delete_allowed)

UploadId = Annotated[str, Depends(_get_upload_id)]
NParameter = Annotated[
    int | None,
    Query(ge=0, description="How many entries to list at most.", examples=[100]),
    BeforeValidator(_check_digits),
]
LastParameter = Annotated[
    str | None,
    Query(description="List what comes after this entry, which need not exist.", examples=["1.0"]),
]
