"""Documents that are nearly right, and what is found wrong with them."""

import json
from typing import Any

import pytest

from core.digest import Digest
from core.errors import ManifestFaults, RegistryError
from core.manifest import OCI_MANIFEST, Manifest, parse_manifest
from tests.manifest.examples import IMAGE, A

__all__ = ["Document", "descriptor", "fault_of", "faults_of", "image", "parse"]

Document = dict[str, Any]


def parse(payload: bytes | Document, media_type: str | None = OCI_MANIFEST) -> Manifest:
    if not isinstance(payload, bytes):
        payload = json.dumps(payload).encode()
    return parse_manifest(payload, media_type, Digest.of(payload))


def faults_of(
    payload: bytes | Document, media_type: str | None = OCI_MANIFEST
) -> list[RegistryError]:
    with pytest.raises(RegistryError) as caught:
        parse(payload, media_type)
    if isinstance(caught.value, ManifestFaults):
        return list(caught.value.faults)
    return [caught.value]


def fault_of(payload: bytes | Document, media_type: str | None = OCI_MANIFEST) -> RegistryError:
    [fault] = faults_of(payload, media_type)
    return fault


def image(**members: object) -> Document:
    document: Document = json.loads(IMAGE)
    document.update(members)
    return document


def descriptor(**members: object) -> Document:
    return {"mediaType": "application/octet-stream", "digest": A, "size": 1, **members}
