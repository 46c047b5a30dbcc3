"""Writing to a path where an append blob stands: Azure lets no blob replace one of another type.

Deleting it first would leave a moment without any content, or a crash with none at all. So the
new content becomes an append blob beside it, and is copied over it by the service.
"""

from typing import Self

from anyio import CancelScope

from core.drivers.azure.appender import AzureAppender
from core.drivers.azure.copies import copy_blob, delete_version
from core.drivers.azure.faults import azure_faults
from core.drivers.azure.parts import Parts
from core.drivers.azure.published import temporary_path
from core.drivers.azure.reader import AzureReader
from core.drivers.azure.store import AzureStore
from core.drivers.base import FileWriter
from core.errors import DriverUnavailable

__all__ = ["SpooledWriter", "carry_over"]

_CARRIED_BYTES = 1024 * 1024


class SpooledWriter(FileWriter):
    """Content of an append blob with a temporary name, until it is committed."""

    def __init__(self, store: AzureStore, path: str, temporary: str, spool: AzureAppender) -> None:
        self._store = store
        self._path = path
        self._temporary = temporary
        self._spool = spool
        self._committed = False

    @classmethod
    async def open(cls, store: AzureStore, path: str, parts: Parts) -> Self:
        """Begin with no content."""
        temporary = temporary_path(path)
        spool = await AzureAppender.open(store, temporary, parts, create=True)
        return cls(store, path, temporary, spool)

    @property
    def size(self) -> int:
        return self._spool.size

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        await self._spool.write(chunk)

    async def flush(self) -> None:
        # Without a commit the bytes are gone anyway.
        return

    async def commit(self) -> None:
        if not self._committed:
            await self._spool.commit()
            with CancelScope(shield=True), azure_faults(self._path):
                etag = await copy_blob(self._store, self._temporary, self._path)
                await delete_version(self._store, self._temporary, etag)
            self._committed = True

    async def cancel(self) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._committed:
            await self._spool.aclose()
        else:
            await self._spool.cancel()


async def carry_over(store: AzureStore, source: str, writer: FileWriter) -> None:
    """Commit the content of a blob with a writer, through this process, and close the writer.

    Raises:
        PathNotFound: `source` is missing.
    """
    async with writer, AzureReader(store, source, 0) as reader:
        await reader.open(None)
        while chunk := await reader.read(_CARRIED_BYTES):
            await writer.write(chunk)
        if writer.size != reader.size:
            raise DriverUnavailable(source, "it was not read whole")
        await writer.commit()
