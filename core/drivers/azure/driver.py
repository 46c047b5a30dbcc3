"""A store in a container of Azure Blob Storage, laid out as `docker/distribution` does it."""

from collections.abc import AsyncIterator

from anyio import CancelScope, Semaphore, create_task_group
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobProperties, BlobType, StorageErrorCode

from core.drivers.azure.appender import AzureAppender, create_upload
from core.drivers.azure.copies import copy_blob, delete_version
from core.drivers.azure.faults import azure_faults, error_code, is_missing
from core.drivers.azure.leases import without_lease
from core.drivers.azure.listing import has_children, list_children, list_names
from core.drivers.azure.parts import Parts
from core.drivers.azure.published import is_published
from core.drivers.azure.reader import AzureReader
from core.drivers.azure.spool import SpooledWriter, carry_over
from core.drivers.azure.store import AzureStore
from core.drivers.azure.unfinished import discard, list_unfinished
from core.drivers.azure.writer import AzureWriter, put_blob
from core.drivers.base import (
    DriverReader,
    Entry,
    FileWriter,
    ObjectInfo,
    RedirectMethod,
    StorageDriver,
    Unfinished,
)
from core.errors import PathNotFound

__all__ = ["AzureDriver"]

_READ_BYTES = 1024 * 1024
_CONCURRENT_DELETES = 16


class AzureDriver(StorageDriver):
    """Blobs of one container: block blobs, and append blobs for what appenders have written.

    A blob with appended content is leased by its appender. Whoever deletes, moves or replaces it
    breaks the lease, and the appender notices at its next request.
    """

    name = "azure"
    flat = True
    questions_at_once = 16

    def __init__(
        self,
        *,
        container: str,
        account_name: str = "",
        account_key: str = "",
        sas_token: str = "",
        connection_string: str = "",
        endpoint_url: str = "",
        root_prefix: str = "",
        part_bytes: int = 8 * 1024 * 1024,
        part_concurrency: int = 3,
        redirect: bool = True,
        redirect_seconds: int = 1200,
        redirect_endpoint_url: str = "",
        connect_timeout_seconds: float = 10,
        read_timeout_seconds: float = 60,
        max_attempts: int = 5,
    ) -> None:
        """Prepare the driver; the service is asked nothing. The settings say what each means.

        Raises:
            ValueError: the container or the credentials are missing, or cannot be parsed.
        """
        self._store = AzureStore(
            container,
            root_prefix,
            {
                "account_name": account_name,
                "account_key": account_key,
                "sas_token": sas_token,
                "connection_string": connection_string,
                "endpoint_url": endpoint_url,
            },
            (connect_timeout_seconds, read_timeout_seconds, max_attempts),
        )
        self._parts = Parts(size=part_bytes, concurrency=part_concurrency)
        self._redirect_seconds = redirect_seconds if redirect else 0
        self._redirect_endpoint_url = redirect_endpoint_url

    async def get(self, path: str) -> bytes:
        async with await self.open_reader(path) as reader:
            chunks = []
            while chunk := await reader.read(_READ_BYTES):
                chunks.append(chunk)
            return b"".join(chunks)

    async def put(self, path: str, content: bytes) -> None:
        await put_blob(self._store, path, bytes(content), self._parts)

    async def open_reader(self, path: str, start: int = 0, stop: int | None = None) -> DriverReader:
        reader = AzureReader(self._store, path, start)
        try:
            await reader.open(stop)
        except BaseException:
            await reader.aclose()
            raise
        return reader

    async def open_writer(self, path: str) -> FileWriter:
        return AzureWriter(self._store, path, self._parts)

    async def open_appender(self, path: str, *, create: bool = False) -> FileWriter:
        return await AzureAppender.open(self._store, path, self._parts, create=create)

    async def create_upload(self, path: str) -> None:
        await create_upload(self._store, path)

    async def stat(self, path: str) -> ObjectInfo:
        found = None if path == "/" else await self._find(path)
        if found is not None:
            return ObjectInfo(
                path=path, size=found.size, is_directory=False, modified_at=found.last_modified
            )
        if not await has_children(self._store, path):
            raise PathNotFound(path)
        return ObjectInfo(path=path, size=0, is_directory=True, modified_at=None)

    async def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        async for entry in list_children(self._store, path, start_after):
            yield entry

    async def move(self, source: str, destination: str) -> None:
        if source == destination:
            await self._check_file(source)
            return
        # Cancelled midway, it would not be known which of the two paths has the content.
        with CancelScope(shield=True):
            etag = await self._copy(source, destination)
            with azure_faults(source):
                await delete_version(self._store, source, etag)

    async def copy(self, source: str, destination: str) -> None:
        if source == destination:
            await self._check_file(source)
            return
        with CancelScope(shield=True):
            await self._copy(source, destination)

    async def delete(self, path: str) -> None:
        with CancelScope(shield=True):
            deleted = await self._delete_blob(path)
        children = [name async for name in list_names(self._store, path)]
        slots = Semaphore(_CONCURRENT_DELETES)

        async def delete_child(name: str) -> None:
            async with slots:
                await self._delete_blob(self._store.path(name))

        async with create_task_group() as tasks:
            for name in children:
                tasks.start_soon(delete_child, name)
        if not deleted and not children:
            raise PathNotFound(path)

    async def redirect_url(self, path: str, method: RedirectMethod) -> str | None:
        if not self._redirect_seconds:
            return None
        return self._store.signed_url(path, self._redirect_seconds, self._redirect_endpoint_url)

    async def list_unfinished(self, path: str) -> AsyncIterator[Unfinished]:
        async for unfinished in list_unfinished(self._store, path):
            yield unfinished

    async def discard(self, unfinished: Unfinished) -> None:
        await discard(self._store, unfinished)

    async def aclose(self) -> None:
        await self._store.aclose()

    async def _find(self, path: str) -> BlobProperties | None:
        with azure_faults(path):
            try:
                found = await self._store.blob(path).get_blob_properties()
            except HttpResponseError as error:
                if is_missing(error):
                    return None
                raise
        return found if is_published(found.copy.status) else None

    async def _check_file(self, path: str) -> BlobProperties:
        found = await self._find(path)
        if found is None:
            raise PathNotFound(path)
        return found

    async def _copy(self, source: str, destination: str) -> str:
        """Copy, and return the version of the source that was copied."""
        with azure_faults(destination):
            try:
                return await copy_blob(self._store, source, destination)
            except HttpResponseError as error:
                if error_code(error) != StorageErrorCode.INVALID_BLOB_TYPE:
                    raise
        # Azure lets no blob replace one of another type. Through here nothing is deleted first.
        found = await self._check_file(source)
        writer: FileWriter
        if found.blob_type == BlobType.APPENDBLOB:
            writer = AzureWriter(self._store, destination, self._parts)
        else:
            writer = await SpooledWriter.open(self._store, destination, self._parts)
        await carry_over(self._store, source, writer)
        return str(found.etag)

    async def _delete_blob(self, path: str) -> bool:
        """Delete a blob, and return whether there was one."""
        blob = self._store.blob(path)
        tries: list[bool] = []
        with azure_faults(path):
            try:
                await without_lease(
                    blob,
                    lambda: blob.delete_blob(
                        delete_snapshots="include", retry_hook=lambda: tries.append(True)
                    ),
                )
            except HttpResponseError as error:
                if is_missing(error):
                    # The answer to a first try may have been lost.
                    return bool(tries)
                raise
        return True
