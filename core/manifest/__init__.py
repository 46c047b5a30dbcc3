"""Manifests as documents: what they are, what they refer to, what is wrong with them. No I/O."""

from core.manifest.descriptor import Descriptor, Platform
from core.manifest.media_types import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    DOCKER_MANIFEST_V1,
    DOCKER_MANIFEST_V1_SIGNED,
    MANIFEST_MEDIA_TYPES,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
)
from core.manifest.models import (
    ArtifactManifest,
    DockerManifest,
    DockerManifestList,
    ImageIndex,
    ImageManifest,
    ManifestDocument,
    SignedImage,
)
from core.manifest.parse import (
    MANIFEST_MODELS,
    Manifest,
    Reference,
    detect_media_type,
    parse_manifest,
)
from core.manifest.referrer import Referrer, find_referrer, list_indexed

__all__ = [
    "DOCKER_MANIFEST",
    "DOCKER_MANIFEST_LIST",
    "DOCKER_MANIFEST_V1",
    "DOCKER_MANIFEST_V1_SIGNED",
    "MANIFEST_MEDIA_TYPES",
    "MANIFEST_MODELS",
    "OCI_ARTIFACT",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "ArtifactManifest",
    "Descriptor",
    "DockerManifest",
    "DockerManifestList",
    "ImageIndex",
    "ImageManifest",
    "Manifest",
    "ManifestDocument",
    "Platform",
    "Reference",
    "Referrer",
    "SignedImage",
    "detect_media_type",
    "find_referrer",
    "list_indexed",
    "parse_manifest",
]
