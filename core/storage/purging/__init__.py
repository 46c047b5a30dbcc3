"""Partial uploads: finding what nobody will finish, and deleting it."""

from core.storage.purging.partial_uploads import PartialUpload, UploadState, find_uploads
from core.storage.purging.periodic_purge import PeriodicPurge
from core.storage.purging.upload_purge import PurgeReport, Removal, UploadPurge

__all__ = [
    "PartialUpload",
    "PeriodicPurge",
    "PurgeReport",
    "Removal",
    "UploadPurge",
    "UploadState",
    "find_uploads",
]
