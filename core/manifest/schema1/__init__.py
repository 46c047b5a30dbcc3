"""Signed images of schema version 1: JSON documents with libtrust's signatures inside. No I/O.

Spec: Docker, "Image Manifest Version 2, Schema 1", and "Signed Manifests" in it.
"""

from core.manifest.schema1.from_image import EMPTY_LAYER, EMPTY_LAYER_DIGEST, make_payload
from core.manifest.schema1.manifest import (
    SCHEMA1_MEDIA_TYPES,
    VAGUE_MEDIA_TYPES,
    SignedManifest,
    is_signed_image,
    read_signed_manifest,
)
from core.manifest.schema1.private_keys import PrivateKey
from core.manifest.schema1.signatures import Signature
from core.manifest.schema1.signed_json import MAX_SIGNATURES, SignedJson, find_cut, join, split
from core.manifest.schema1.to_image import ImageFormat, ImagePlan, UnpackedLayer, plan_image

__all__ = [
    "EMPTY_LAYER",
    "EMPTY_LAYER_DIGEST",
    "MAX_SIGNATURES",
    "SCHEMA1_MEDIA_TYPES",
    "VAGUE_MEDIA_TYPES",
    "ImageFormat",
    "ImagePlan",
    "PrivateKey",
    "Signature",
    "SignedJson",
    "SignedManifest",
    "UnpackedLayer",
    "find_cut",
    "is_signed_image",
    "join",
    "make_payload",
    "plan_image",
    "read_signed_manifest",
    "split",
]
