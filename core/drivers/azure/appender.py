"""Adding to an append blob, in the order of the bytes and under a lease."""

from typing import Self

from anyio import CancelScope
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobType, StorageErrorCode
from azure.storage.blob.aio import BlobClient

from core.drivers.azure.faults import azure_faults, error_code, is_missing
from core.drivers.azure.leases import Lease
from core.drivers.azure.parts import Parts, md5_of
from core.drivers.azure.store import AzureStore
from core.drivers.base import FileWriter
from core.drivers.claims import LeftClaims
from core.drivers.owned_tasks import OwnedTasks
from core.errors import DriverError, DriverUnavailable, PathNotFound, WriterBusy

__all__ = ["AzureAppender", "create_upload"]

_OPENINGS = 5

_CREATED_BY_ANOTHER = frozenset(
    {
        StorageErrorCode.BLOB_ALREADY_EXISTS,
        StorageErrorCode.CONDITION_NOT_MET,
        StorageErrorCode.LEASE_ID_MISSING,
    }
)


class AzureAppender(FileWriter):
    """An append blob from its end on: while one part is sent, the next is gathered.

    Each part names the offset that it belongs at, and the lease. So whatever happens to this
    process or to the lease, no byte of another can come between those of this one.
    """

    def __init__(self, path: str, blob: BlobClient, lease: Lease, size: int, parts: Parts) -> None:
        self._path = path
        self._blob = blob
        self._lease = lease
        self._begun = size
        self._parts = parts
        self._buffer = bytearray()
        self._tasks = OwnedTasks(1)
        self._committed = False

    @classmethod
    async def open(cls, store: AzureStore, path: str, parts: Parts, *, create: bool) -> Self:
        """Lease the blob at a path. A call that is cancelled is carried through.

        Raises:
            PathNotFound: there is none, and `create` was not said.
            WriterBusy: another appender holds it.
        """
        blob, left = store.blob(path), store.left
        with CancelScope(shield=True), azure_faults(path):
            for _ in range(_OPENINGS):
                opened = await _lease_new(path, blob, left) if create else None
                opened = opened or await _lease_existing(path, blob, left)
                if opened is not None:
                    return cls(path, blob, *opened, parts)
                if not create:
                    raise PathNotFound(path)
        raise DriverUnavailable(path, "it is made and deleted again and again")

    @property
    def size(self) -> int:
        return self._begun + len(self._buffer)

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._buffer += chunk
        while len(self._buffer) >= self._parts.size:
            await self._begin_append(self._parts.size)

    async def flush(self) -> None:
        if self._buffer:
            await self._begin_append(len(self._buffer))
            await self._tasks.join()
        else:
            await self._tasks.join()
            await self._check_present()

    async def commit(self) -> None:
        if not self._committed:
            await self.flush()
            self._committed = True

    async def cancel(self) -> None:
        with CancelScope(shield=True):
            await self._tasks.aclose()
            self._buffer.clear()
            try:
                with azure_faults(self._path):
                    await self._blob.delete_blob(delete_snapshots="include", lease=self._lease.id)
            except (PathNotFound, WriterBusy):
                # It is not this one's any more.
                pass
            finally:
                await self._release(quietly=True)

    async def aclose(self) -> None:
        with CancelScope(shield=True):
            try:
                if not self._committed:
                    if self._buffer:
                        await self._begin_append(len(self._buffer))
                    await self._tasks.join()
            except BaseException:
                await self._release(quietly=True)
                raise
            await self._release(quietly=self._committed)

    async def _release(self, *, quietly: bool) -> None:
        await self._tasks.aclose()
        try:
            await self._lease.release()
        except DriverError:
            # The blob was moved or deleted, which a lease does not outlive.
            if not quietly:
                raise

    async def _begin_append(self, size: int) -> None:
        with memoryview(self._buffer) as view:
            content = bytes(view[:size])
        await self._tasks.start(self._append(self._begun, content))
        self._begun += size
        del self._buffer[:size]

    async def _append(self, offset: int, content: bytes) -> None:
        md5 = await md5_of(content)
        with azure_faults(self._path):
            try:
                await self._blob.append_block(
                    content,
                    transactional_content_md5=md5,
                    appendpos_condition=offset,
                    lease=self._lease.id,
                )
            except HttpResponseError as error:
                code = error_code(error)
                if code != StorageErrorCode.APPEND_POSITION_CONDITION_NOT_MET:
                    raise
                if not await self._holds(offset, content):
                    reason = f"it does not end at {offset}, where this appender does"
                    raise DriverUnavailable(self._path, reason) from error

    async def _holds(self, offset: int, content: bytes) -> bool:
        """Return whether the blob ends with `content`, as after a try that succeeded unseen."""
        found = await self._blob.get_blob_properties(lease=self._lease.id)
        if found.size != offset + len(content):
            return False
        download = await self._blob.download_blob(offset=offset, length=len(content))
        return await download.readall() == content

    async def _check_present(self) -> None:
        with azure_faults(self._path):
            found = await self._blob.get_blob_properties(lease=self._lease.id)
        if found.size != self._begun:
            raise DriverUnavailable(
                self._path, f"it holds {found.size} bytes, and should hold {self._begun}"
            )


async def _lease_existing(
    path: str, blob: BlobClient, left: LeftClaims
) -> tuple[Lease, int] | None:
    """Lease a blob and learn its size; None if there is none."""
    try:
        lease = await Lease.acquire(path, blob, left)
    except HttpResponseError as error:
        if is_missing(error):
            return None
        raise
    try:
        found = await blob.get_blob_properties(lease=lease.id)
        if found.blob_type == BlobType.APPENDBLOB:
            return lease, found.size
        if found.size:
            raise DriverUnavailable(path, "its content was not appended, and cannot be added to")
        # An empty file that was put is the start of an upload too. Its type cannot be changed.
        await blob.delete_blob(delete_snapshots="include", lease=lease.id)
    except BaseException:
        await lease.release()
        raise
    await lease.abandon()
    return await _lease_new(path, blob, left)


async def create_upload(store: AzureStore, path: str) -> None:
    """Make an empty blob that appenders can add to, unless there is one."""
    with CancelScope(shield=True), azure_faults(path):
        try:
            await store.blob(path).create_append_blob(match_condition=MatchConditions.IfMissing)
        except HttpResponseError as error:
            if error_code(error) not in _CREATED_BY_ANOTHER:
                raise


async def _lease_new(path: str, blob: BlobClient, left: LeftClaims) -> tuple[Lease, int] | None:
    """Make an empty blob and lease it; None if someone else was faster."""
    try:
        made = await blob.create_append_blob(match_condition=MatchConditions.IfMissing)
        return await Lease.acquire(path, blob, left, str(made["etag"])), 0
    except HttpResponseError as error:
        if is_missing(error) or error_code(error) in _CREATED_BY_ANOTHER:
            return None
        raise
