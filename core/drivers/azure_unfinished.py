"""What writers have left that nobody sees: uncommitted blocks, and blobs with temporary names."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from anyio import CancelScope
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobProperties, StorageErrorCode

from core.drivers.azure_faults import azure_faults, error_code, is_missing
from core.drivers.azure_leases import without_lease
from core.drivers.azure_published import DISCARDED, without_temporary_end
from core.drivers.azure_store import AzureStore
from core.drivers.base import Unfinished
from core.errors import PathNotFound

__all__ = ["discard", "list_unfinished"]

_BLOCKS = "blocks"
"""The key of blocks; that of a blob with a temporary name is this name."""

_REPLACED = frozenset({StorageErrorCode.BLOB_ALREADY_EXISTS, StorageErrorCode.CONDITION_NOT_MET})


async def list_unfinished(store: AzureStore, path: str) -> AsyncIterator[Unfinished]:
    """Yield the unfinished content at and below a directory.

    Blocks that wait beside a committed blob are not shown by Azure, and not here.
    """
    directory = path.rstrip("/")
    with azure_faults(path):
        async for found in store.container.list_blobs(
            name_starts_with=store.below(path).removesuffix("/"), include=["uncommittedblobs"]
        ):
            unfinished = await _unfinished(store, found)
            if unfinished is not None and f"{unfinished.path}/".startswith(f"{directory}/"):
                yield unfinished


async def discard(store: AzureStore, unfinished: Unfinished) -> None:
    """Delete unfinished content. A call that is cancelled is carried through.

    Raises:
        PathNotFound: it is committed or gone.
    """
    with CancelScope(shield=True), azure_faults(unfinished.path):
        if unfinished.key == _BLOCKS:
            await _discard_blocks(store, unfinished.path)
        else:
            temporary = store.blob(unfinished.key)
            await without_lease(
                temporary, lambda: temporary.delete_blob(delete_snapshots="include")
            )


async def _unfinished(store: AzureStore, found: BlobProperties) -> Unfinished | None:
    at = store.path(found.name)
    # The library's types promise this time, which Azure need not give for what is uncommitted.
    times: tuple[datetime | None, ...] = (found.creation_time, found.last_modified)
    started_at = next((time for time in times if time is not None), datetime.now(UTC))
    target = without_temporary_end(at)
    if target != at:
        return Unfinished(path=target, key=at, size=found.size, started_at=started_at)
    # Of a blob that is not committed, the listing tells no more than that it has no bytes.
    if found.size or not await _is_uncommitted(store, at):
        return None
    _, blocks = await store.blob(at).get_block_list("uncommitted")
    size = sum(block.size for block in blocks)
    return Unfinished(path=at, key=_BLOCKS, size=size, started_at=started_at)


async def _is_uncommitted(store: AzureStore, path: str) -> bool:
    try:
        await store.blob(path).get_blob_properties()
    except HttpResponseError as error:
        if is_missing(error):
            return True
        raise
    return False


async def _discard_blocks(store: AzureStore, path: str) -> None:
    """Commit an empty blob in the place of the blocks, if there is none, and delete it.

    Azure has no request that deletes blocks. Nobody takes the empty blob for content.
    """
    blob = store.blob(path)
    _, blocks = await blob.get_block_list("uncommitted")
    if not blocks:
        raise PathNotFound(path)
    try:
        made = await blob.commit_block_list(
            [], metadata=DISCARDED, match_condition=MatchConditions.IfMissing
        )
    except HttpResponseError as error:
        if error_code(error) in _REPLACED:
            raise PathNotFound(path) from error
        raise
    try:
        await blob.delete_blob(
            etag=str(made["etag"]), match_condition=MatchConditions.IfNotModified
        )
    except HttpResponseError as error:
        # Someone has stored there meanwhile, or deleted it.
        if not is_missing(error) and error_code(error) not in _REPLACED:
            raise
