"""A new value for one path: one request where it is small, a multipart upload where it is not."""

from anyio import CancelScope

from core.drivers.base import FileWriter
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.multipart import MultipartUpload
from core.drivers.s3.part_stream import PartStream

__all__ = ["S3Writer"]


class S3Writer(FileWriter):
    """Parts that are on their way while the next is gathered, completed by `commit`.

    Nothing is asked of the store before a part is full. What fits into one part is stored by a
    single request. A process that dies leaves a multipart upload, which `list_unfinished` tells.
    """

    def __init__(self, connection: S3Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._upload: MultipartUpload | None = None
        self._stream = PartStream(connection.options, self._open_upload)
        self._committed = False

    @property
    def size(self) -> int:
        return self._stream.size

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        await self._stream.write(chunk)

    async def flush(self) -> None:
        # Without a commit nothing is kept anyway.
        return

    async def commit(self) -> None:
        if self._committed:
            return
        if self._upload is None:
            await self._put()
        else:
            if self._stream.gathered:
                await self._stream.send_gathered()
            await self._stream.join()
            with CancelScope(shield=True):
                await self._upload.complete(self._stream.parts)
                self._committed = True
        self._committed = True

    async def cancel(self) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        with CancelScope(shield=True):
            await self._stream.aclose()
            upload, self._upload = self._upload, None
            if upload is not None and not self._committed:
                await upload.abort()

    async def _put(self) -> None:
        async with self._connection.change(self._path) as bucket:
            await bucket.put(
                self._connection.keys.key(self._path),
                self._stream.gathered,
                self._connection.storage,
            )

    async def _open_upload(self) -> MultipartUpload:
        if self._upload is None:
            self._upload = await MultipartUpload.create(self._connection, self._path)
        return self._upload
