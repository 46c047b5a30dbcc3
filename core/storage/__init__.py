"""What the bytes of a store mean: repositories, blobs, uploads, manifests, tags, referrers."""

from core.drivers import DriverReader
from core.storage.blob_store import BlobStore
from core.storage.conversions import Conversions
from core.storage.descriptor_cache import NO_DESCRIPTORS, DescriptorCache
from core.storage.file_reader import CHUNK_BYTES, FileReader
from core.storage.intake import BLOCK_BYTES
from core.storage.layer import Layer
from core.storage.layer_service import LayerService
from core.storage.layer_upload import LayerUpload
from core.storage.manifest_cache import ManifestCache, StoredManifest
from core.storage.manifest_service import ManifestService, MissingReferences
from core.storage.names import (
    MAX_NAME_LENGTH,
    NAME_PATTERN,
    TAG_PATTERN,
    Reference,
    RepositoryName,
    Tag,
    parse_reference,
)
from core.storage.referrers import ReferrersService, fallback_tag
from core.storage.registry import Registry
from core.storage.repository import Repository
from core.storage.tag_service import TagService

__all__ = [
    "BLOCK_BYTES",
    "CHUNK_BYTES",
    "MAX_NAME_LENGTH",
    "NAME_PATTERN",
    "NO_DESCRIPTORS",
    "TAG_PATTERN",
    "BlobStore",
    "Conversions",
    "DescriptorCache",
    "DriverReader",
    "FileReader",
    "Layer",
    "LayerService",
    "LayerUpload",
    "ManifestCache",
    "ManifestService",
    "MissingReferences",
    "Reference",
    "ReferrersService",
    "Registry",
    "Repository",
    "RepositoryName",
    "StoredManifest",
    "Tag",
    "TagService",
    "fallback_tag",
    "parse_reference",
]
