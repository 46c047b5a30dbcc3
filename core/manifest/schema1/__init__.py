"""Signed images of schema version 1: JSON documents with libtrust's signatures inside. No I/O.

Spec: Docker, "Image Manifest Version 2, Schema 1", and "Signed Manifests" in it.
"""

from core.manifest.schema1.manifest import (
    SCHEMA1_MEDIA_TYPES,
    SignedManifest,
    is_signed_image,
    read_signed_manifest,
)
from core.manifest.schema1.private_keys import PrivateKey
from core.manifest.schema1.signatures import Signature
from core.manifest.schema1.signed_json import MAX_SIGNATURES, SignedJson, find_cut, join, split

__all__ = [
    "MAX_SIGNATURES",
    "SCHEMA1_MEDIA_TYPES",
    "PrivateKey",
    "Signature",
    "SignedJson",
    "SignedManifest",
    "find_cut",
    "is_signed_image",
    "join",
    "read_signed_manifest",
    "split",
]
