"""Writing a block blob: blocks go up side by side, and one request makes them a blob.

Azure keeps the uncommitted blocks of a blob in one pile, whoever sent them, and whatever is stored
at its name clears it. So that writers of one path do not harm each other, each has its pile at a
temporary name, and the service copies the blob to its path. Small content is one put.
"""

import structlog
from anyio import CancelScope
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, StorageErrorCode

from core.drivers.azure.copies import copy_blob
from core.drivers.azure.faults import azure_faults, error_code
from core.drivers.azure.leases import without_lease
from core.drivers.azure.parts import Parts, md5_of
from core.drivers.azure.published import temporary_path
from core.drivers.azure.spool import SpooledWriter, carry_over
from core.drivers.azure.store import AzureStore
from core.drivers.azure.unfinished import delete_temporary
from core.drivers.base import FileWriter
from core.drivers.owned_tasks import OwnedTasks
from core.errors import DriverError, PathNotFound

__all__ = ["AzureWriter", "put_blob"]

_log = structlog.get_logger()


async def put_blob(store: AzureStore, path: str, content: bytes, parts: Parts) -> None:
    """Store small content at a path. A call that is cancelled is carried through."""
    blob = store.blob(path)
    md5 = await md5_of(content)
    with CancelScope(shield=True), azure_faults(path):
        try:
            await without_lease(
                blob,
                lambda: blob.upload_blob(content, overwrite=True, transactional_content_md5=md5),
            )
        except HttpResponseError as error:
            if error_code(error) != StorageErrorCode.INVALID_BLOB_TYPE:
                raise
            async with await SpooledWriter.open(store, path, parts) as writer:
                await writer.write(content)
                await writer.commit()


class AzureWriter(FileWriter):
    """Content of a block blob, of which nothing is at its path before it is committed."""

    def __init__(self, store: AzureStore, path: str, parts: Parts) -> None:
        self._store = store
        self._path = path
        self._parts = parts
        self._temporary = temporary_path(path)
        self._blob = store.blob(self._temporary)
        self._buffer = bytearray()
        self._staged = 0
        self._tasks = OwnedTasks(parts.concurrency)
        self._committed = False

    @property
    def size(self) -> int:
        return self._staged * self._parts.size + len(self._buffer)

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._buffer += chunk
        # What fits into one part waits for the commit, which then is a single put.
        while len(self._buffer) > self._parts.size:
            await self._stage(self._parts.size)

    async def flush(self) -> None:
        # Without a commit the bytes are gone anyway.
        return

    async def commit(self) -> None:
        if self._committed:
            return
        if self._staged == 0:
            await put_blob(self._store, self._path, bytes(self._buffer), self._parts)
        else:
            if self._buffer:
                await self._stage(len(self._buffer))
            await self._tasks.join()
            with CancelScope(shield=True):
                await self._commit_blocks()
                await self._publish()
                await self._delete_temporary()
        self._committed = True

    async def cancel(self) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        with CancelScope(shield=True):
            await self._tasks.aclose()
            self._buffer.clear()
            if self._staged and not self._committed:
                await self._delete_temporary()

    async def _stage(self, size: int) -> None:
        with memoryview(self._buffer) as view:
            content = bytes(view[:size])
        await self._tasks.start(self._stage_block(_block_name(self._staged), content))
        self._staged += 1
        del self._buffer[:size]

    async def _stage_block(self, name: str, content: bytes) -> None:
        md5 = await md5_of(content)
        with azure_faults(self._path):
            await self._blob.stage_block(name, content, transactional_content_md5=md5)

    async def _commit_blocks(self) -> None:
        blocks = [BlobBlock(_block_name(index)) for index in range(self._staged)]
        with azure_faults(self._path):
            try:
                await self._blob.commit_block_list(blocks)
            except HttpResponseError as error:
                if error_code(error) == StorageErrorCode.INVALID_BLOCK_LIST:
                    # They were discarded.
                    raise PathNotFound(self._path) from error
                raise

    async def _publish(self) -> None:
        with azure_faults(self._path):
            try:
                await copy_blob(self._store, self._temporary, self._path)
            except HttpResponseError as error:
                if error_code(error) != StorageErrorCode.INVALID_BLOB_TYPE:
                    raise
                spool = await SpooledWriter.open(self._store, self._path, self._parts)
                await carry_over(self._store, self._temporary, spool)

    async def _delete_temporary(self) -> None:
        """Delete what nobody reads; what is left is found by `list_unfinished`."""
        try:
            with azure_faults(self._path):
                await delete_temporary(self._store, self._temporary)
        except DriverError as error:
            _log.warning("blocks were not deleted", path=self._path, reason=str(error))


def _block_name(index: int) -> str:
    return f"{index:05}"
