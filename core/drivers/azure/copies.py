"""Copying and moving blobs inside the account: the service copies, and is waited for."""

from anyio import current_time, sleep
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobProperties, StorageErrorCode
from azure.storage.blob.aio import BlobClient

from core.drivers.azure.faults import azure_faults, error_code, is_missing
from core.drivers.azure.leases import without_lease
from core.drivers.azure.published import is_published
from core.drivers.azure.store import AzureStore
from core.errors import DriverUnavailable, PathNotFound

__all__ = ["copy_blob", "delete_version"]

_STALLED_SECONDS = 60.0
"""A copy that makes no progress for so long is given up."""

_NOT_FOUND = 404

_FIRST_POLL_SECONDS = 0.05
_LONGEST_POLL_SECONDS = 2.0


async def copy_blob(store: AzureStore, source: str, destination: str) -> str:
    """Make the content of one blob that of another too, and return the version that it was.

    Until all of it is there, the destination is not published. What was there is gone.

    Raises:
        PathNotFound: `source` is missing; the destination is untouched.
        HttpResponseError: `InvalidBlobType`, if the destination is of another type.
    """
    from_blob, to_blob = store.blob(source), store.blob(destination)
    with azure_faults(source):
        found = await from_blob.get_blob_properties()
    if not is_published(found.copy.status):
        raise PathNotFound(source)
    etag = str(found.etag)
    waits = _Waits(destination)
    while True:
        try:
            begun = await without_lease(
                to_blob,
                lambda: to_blob.start_copy_from_url(
                    from_blob.url,
                    source_etag=etag,
                    source_match_condition=MatchConditions.IfNotModified,
                ),
            )
        except HttpResponseError as error:
            if error.status_code == _NOT_FOUND:
                raise PathNotFound(source) from error
            # Someone else is copying to the same place.
            if error_code(error) != StorageErrorCode.PENDING_COPY_OPERATION:
                raise
            await waits.wait("")
        else:
            break
    if begun["copy_status"] != "success":
        await _wait_for_copy(destination, to_blob, str(begun["copy_id"]))
    return etag


async def delete_version(store: AzureStore, path: str, etag: str) -> None:
    """Delete a blob as it was when it was copied; what was written there since stays."""
    blob = store.blob(path)
    try:
        await without_lease(
            blob,
            lambda: blob.delete_blob(
                delete_snapshots="include", etag=etag, match_condition=MatchConditions.IfNotModified
            ),
        )
    except HttpResponseError as error:
        if not is_missing(error) and error_code(error) != StorageErrorCode.CONDITION_NOT_MET:
            raise


class _Waits:
    """Growing pauses, for as long as there is progress."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pause = _FIRST_POLL_SECONDS
        self._progress = ""
        self._since = current_time()

    async def wait(self, progress: str) -> None:
        if progress != self._progress:
            self._progress, self._since = progress, current_time()
        elif current_time() - self._since > _STALLED_SECONDS:
            raise DriverUnavailable(self._path, f"a copy to it has stalled at {progress!r}")
        await sleep(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_POLL_SECONDS)


async def _wait_for_copy(path: str, blob: BlobClient, copy_id: str) -> None:
    waits = _Waits(path)
    while True:
        with azure_faults(path):
            found: BlobProperties = await blob.get_blob_properties()
        if found.copy.id != copy_id or found.copy.status == "success":
            # Azure lets nobody replace the blob before the copy is done.
            return
        if found.copy.status != "pending":
            raise DriverUnavailable(path, f"the copy to it has ended: {found.copy.status}")
        try:
            await waits.wait(str(found.copy.progress))
        except DriverUnavailable:
            with azure_faults(path):
                await blob.abort_copy(copy_id)
            raise
