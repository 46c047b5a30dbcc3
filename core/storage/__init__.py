"""What the bytes of a store mean: repositories, blobs, uploads, manifests, tags, referrers."""

from core.storage.blob_store import BlobStore
from core.storage.copy_tally import CopyFault, CopyTally
from core.storage.file_reader import CHUNK_BYTES, FileReader
from core.storage.layer import Layer
from core.storage.layer_service import LayerService
from core.storage.layer_upload import LayerUpload
from core.storage.manifest_service import ManifestService, MissingReferences, StoredManifest
from core.storage.names import (
    MAX_NAME_LENGTH,
    NAME_PATTERN,
    TAG_PATTERN,
    Reference,
    RepositoryName,
    Tag,
    parse_reference,
)
from core.storage.partial_uploads import PartialUpload, UploadState, find_uploads
from core.storage.periodic_purge import PeriodicPurge
from core.storage.referrers import ReferrersService, fallback_tag
from core.storage.registry import Registry
from core.storage.repository import Repository
from core.storage.store_copier import StoreCopier
from core.storage.tag_service import TagService
from core.storage.upload_purge import PurgeReport, Removal, UploadPurge

__all__ = [
    "CHUNK_BYTES",
    "MAX_NAME_LENGTH",
    "NAME_PATTERN",
    "TAG_PATTERN",
    "BlobStore",
    "CopyFault",
    "CopyTally",
    "FileReader",
    "Layer",
    "LayerService",
    "LayerUpload",
    "ManifestService",
    "MissingReferences",
    "PartialUpload",
    "PeriodicPurge",
    "PurgeReport",
    "Reference",
    "ReferrersService",
    "Registry",
    "Removal",
    "Repository",
    "RepositoryName",
    "StoreCopier",
    "StoredManifest",
    "Tag",
    "TagService",
    "UploadPurge",
    "UploadState",
    "fallback_tag",
    "find_uploads",
    "parse_reference",
]
