"""What writers have stored, or left behind, at temporary names: blobs, and uncommitted blocks."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from anyio import CancelScope
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobProperties, StorageErrorCode
from azure.storage.blob.aio import BlobClient

from core.drivers.azure.faults import azure_faults, error_code, is_missing
from core.drivers.azure.leases import without_lease
from core.drivers.azure.published import without_temporary_end
from core.drivers.azure.store import AzureStore
from core.drivers.base import Unfinished
from core.errors import PathNotFound

__all__ = ["delete_temporary", "discard", "list_unfinished"]


async def list_unfinished(store: AzureStore, path: str) -> AsyncIterator[Unfinished]:
    """Yield the unfinished content at and below a directory."""
    directory = path.rstrip("/")
    with azure_faults(path):
        async for found in store.container.list_blobs(
            name_starts_with=store.below(path).removesuffix("/"), include=["uncommittedblobs"]
        ):
            temporary = store.path(found.name)
            target = without_temporary_end(temporary)
            if target != temporary and f"{target}/".startswith(f"{directory}/"):
                yield Unfinished(
                    path=target,
                    key=temporary,
                    size=await _stored_bytes(store.blob(temporary), found),
                    started_at=_started_at(found),
                )


async def discard(store: AzureStore, unfinished: Unfinished) -> None:
    """Delete unfinished content. A call that is cancelled is carried through.

    Raises:
        PathNotFound: it is committed or gone.
    """
    path, temporary = unfinished.path, unfinished.key
    if without_temporary_end(temporary) != path or temporary == path:
        raise PathNotFound(path)
    with CancelScope(shield=True), azure_faults(path):
        if not await delete_temporary(store, temporary):
            raise PathNotFound(path)


async def delete_temporary(store: AzureStore, temporary: str) -> bool:
    """Delete a blob with a temporary name, or its blocks, and return whether there were any."""
    blob = store.blob(temporary)
    # Azure has no request that deletes blocks: an empty blob has to take their place.
    if await _uncommitted_bytes(blob):
        await blob.commit_block_list([])
    try:
        await without_lease(blob, lambda: blob.delete_blob(delete_snapshots="include"))
    except HttpResponseError as error:
        if is_missing(error):
            return False
        raise
    return True


async def _stored_bytes(blob: BlobClient, found: BlobProperties) -> int:
    # Of a blob that is not committed, the listing tells no size.
    return found.size or await _uncommitted_bytes(blob)


async def _uncommitted_bytes(blob: BlobClient) -> int:
    try:
        _, blocks = await blob.get_block_list("uncommitted")
    except HttpResponseError as error:
        # It is gone, or an append blob, which has no blocks.
        if is_missing(error) or error_code(error) == StorageErrorCode.INVALID_BLOB_TYPE:
            return 0
        raise
    return sum(block.size for block in blocks)


def _started_at(found: BlobProperties) -> datetime:
    # The library's types promise these times, which Azure need not give for what is uncommitted.
    times: tuple[datetime | None, ...] = (found.creation_time, found.last_modified)
    return next((time for time in times if time is not None), datetime.now(UTC))
