"""Writing a block blob: blocks go up side by side, and one request makes them the blob.

Azure keeps the uncommitted blocks of a blob in one pile, whoever sent them, and a commit or a
put of the blob clears it. So a block is named after its place and its SHA-256: writers of the
same content share their blocks, and each can commit whatever the other has done. A writer whose
blocks were cleared by other content finds so at its commit, and fails; nothing is ever mixed.
Small content is one put, and never in the pile.
"""

import base64
import hashlib

from anyio import CancelScope, to_thread
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, BlobType, StorageErrorCode
from azure.storage.blob.aio import BlobClient

from core.drivers.azure_faults import azure_faults, error_code, is_missing
from core.drivers.azure_leases import without_lease
from core.drivers.azure_parts import Parts, md5_of
from core.drivers.azure_spool import SpooledWriter
from core.drivers.azure_store import AzureStore
from core.drivers.base import FileWriter
from core.drivers.owned_tasks import OwnedTasks
from core.errors import DriverUnavailable

__all__ = ["AzureWriter", "put_blob"]


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
    """Content of a block blob; what is not committed, Azure drops after a week."""

    def __init__(self, store: AzureStore, path: str, parts: Parts) -> None:
        self._store = store
        self._path = path
        self._parts = parts
        self._blob = store.blob(path)
        self._buffer = bytearray()
        self._names: list[str] = []
        self._tasks = OwnedTasks(parts.concurrency)
        self._spool: SpooledWriter | None = None
        self._committed = False

    @property
    def size(self) -> int:
        spooled = 0 if self._spool is None else self._spool.size
        return spooled + len(self._names) * self._parts.size + len(self._buffer)

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._buffer += chunk
        # What fits into one part waits for the commit, which then is a single put.
        if len(self._buffer) <= self._parts.size:
            return
        if (
            self._spool is None
            and not self._names
            and await _is_append_blob(self._blob, self._path)
        ):
            self._spool = await SpooledWriter.open(self._store, self._path, self._parts)
        if self._spool is not None:
            await self._spool.write(self._buffer)
            self._buffer.clear()
        while len(self._buffer) > self._parts.size:
            await self._stage(self._parts.size)

    async def flush(self) -> None:
        # Without a commit the bytes are gone anyway.
        return

    async def commit(self) -> None:
        if self._committed:
            return
        if self._spool is not None:
            await self._spool.write(self._buffer)
            self._buffer.clear()
            await self._spool.commit()
        elif not self._names:
            await put_blob(self._store, self._path, bytes(self._buffer), self._parts)
        else:
            if self._buffer:
                await self._stage(len(self._buffer))
            await self._tasks.join()
            await self._commit_blocks()
        self._committed = True

    async def cancel(self) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._tasks.aclose()
        self._buffer.clear()
        if self._spool is not None:
            await self._spool.aclose()

    async def _stage(self, size: int) -> None:
        with memoryview(self._buffer) as view:
            content = bytes(view[:size])
        index = len(self._names)
        await self._tasks.start(self._stage_block(index, content))
        # Nothing has run in between: the task finds its place when it begins.
        self._names.append("")
        del self._buffer[:size]

    async def _stage_block(self, index: int, content: bytes) -> None:
        name = f"{index:05}-{await to_thread.run_sync(_digest, content)}"
        md5 = await md5_of(content)
        with azure_faults(self._path):
            await without_lease(
                self._blob,
                lambda: self._blob.stage_block(name, content, transactional_content_md5=md5),
            )
        self._names[index] = name

    async def _commit_blocks(self) -> None:
        blocks = [BlobBlock(name) for name in self._names]
        with CancelScope(shield=True), azure_faults(self._path):
            try:
                await without_lease(self._blob, lambda: self._blob.commit_block_list(blocks))
            except HttpResponseError as error:
                if error_code(error) != StorageErrorCode.INVALID_BLOCK_LIST:
                    raise
                reason = "other content was stored there while this was written"
                raise DriverUnavailable(self._path, reason) from error


async def _is_append_blob(blob: BlobClient, path: str) -> bool:
    """Return whether a blob stands here that Azure lets no block blob replace."""
    with azure_faults(path):
        try:
            return (await blob.get_blob_properties()).blob_type == BlobType.APPENDBLOB
        except HttpResponseError as error:
            if is_missing(error):
                return False
            raise


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode("ascii")
