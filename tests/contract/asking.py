"""What the contract is, and what is sent to see that it holds."""

import hashlib
import json

from api.openapi import render_contract
from core.manifest import OCI_MANIFEST
from tests.contract.checker import Contract

__all__ = [
    "CONFIG",
    "CONTRACT",
    "LAYER",
    "NAME",
    "NO_UPLOAD",
    "TOKEN_OPERATIONS",
    "UNKNOWN",
    "describe",
    "digest_of",
    "make_image",
]

CONTRACT = Contract(json.loads(render_contract()))
NAME = "/v2/team/app"
LAYER = b"a layer" * 100
CONFIG = b"{}"
UNKNOWN = f"sha256:{'0' * 64}"
TOKEN_OPERATIONS = {"getToken", "postToken", "getTokenKeys"}
"""Of a registry that is its own token server; `tests/access` asks them."""

NO_UPLOAD = "7b7c61a5-2ab0-4f6c-a5c3-0b1f2a64f4b5"


def make_image(**members: object) -> dict[str, object]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.v1",
        "config": describe(CONFIG),
        "layers": [describe(LAYER)],
        **members,
    }


def describe(content: bytes) -> dict[str, object]:
    return {
        "mediaType": "application/octet-stream",
        "digest": digest_of(content),
        "size": len(content),
    }


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
