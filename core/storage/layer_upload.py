"""`LayerUpload`: the writing side of a blob, resumable on any node that shares the store."""

from collections.abc import AsyncIterable
from contextlib import aclosing
from datetime import datetime
from types import TracebackType

import structlog
from anyio import CancelScope, to_thread
from anyio.abc import AsyncResource

from core.digest import SHA256, Algorithm, Digest, Digester, verified
from core.drivers import FileWriter, StorageDriver
from core.errors import (
    DigestMismatch,
    PathNotFound,
    RangeInvalid,
    RegistryError,
    SizeInvalid,
    UploadBusy,
    UploadUnknown,
    WriterBusy,
)
from core.storage import paths
from core.storage.blob_store import BlobStore
from core.storage.file_reader import FileReader
from core.storage.intake import take_in
from core.storage.layer import Layer
from core.storage.links import write_link
from core.storage.names import RepositoryName

__all__ = ["LayerUpload"]

_log = structlog.get_logger()


class LayerUpload(AsyncResource):
    """One unfinished blob. Its state is in the store alone: bytes, and when they began to come.

    Used with `async with`. The first call that writes claims the upload, and leaving the block
    lets go of it: while it is claimed, every other writer is refused at once, in other processes
    too. What was received stays for the next request until `finish` or `cancel`.

    Attributes:
        upload_id: a UUID.
        started_at: when it was started, whole seconds, UTC; for timing out what was left behind.
    """

    def __init__(
        self,
        driver: StorageDriver,
        name: RepositoryName,
        upload_id: str,
        *,
        started_at: datetime,
        offset: int,
        algorithm: Algorithm = SHA256,
    ) -> None:
        self.upload_id = upload_id
        self.started_at = started_at
        self._driver = driver
        self._name = name
        self._path = paths.upload_data(name, upload_id)
        self._offset = offset
        self._digester = Digester(algorithm)
        self._writer: FileWriter | None = None

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.aclose()
        except RegistryError as error:
            # What went wrong first is what the caller needs to know.
            if exc is None:
                raise
            _log.warning("upload was not closed", upload_id=self.upload_id, reason=str(error))

    @property
    def offset(self) -> int:
        """The number of bytes that the store holds, which is where the next chunk starts."""
        return self._offset if self._writer is None else self._writer.size

    async def read_from(
        self,
        chunks: AsyncIterable[bytes],
        *,
        start: int | None = None,
        size: int | None = None,
    ) -> int:
        """Add all of `chunks` to the upload, and return how many bytes that were.

        The bytes are durable once the upload is closed. When `chunks` fails, what had come is
        kept, and the failure is raised.

        Args:
            chunks: the content, in pieces of any size.
            start: where the client believes that its chunk starts; None if it does not say.
            size: how many bytes it says will come; None if it does not say.

        Raises:
            RangeInvalid: `start` is not where the upload ends. Nothing was added.
            SizeInvalid: there were more or fewer bytes than `size`. What had come is kept, but
                nothing beyond `size`.
            UploadBusy: another request is writing this upload.
            UploadUnknown: the upload is gone, or its data is.
        """
        # What is outdated already is refused without keeping others from the upload.
        self._check_start(start)
        writer = await self._claim()
        self._check_start(start)
        begin = writer.size

        async def store(block: bytes | bytearray) -> None:
            if size is not None and writer.size + len(block) - begin > size:
                raise SizeInvalid(expected=size, actual=writer.size + len(block) - begin)
            digested = self._digester.size == writer.size
            await writer.write(block)
            # Only what was stored is digested: after a write that failed midway, the digest of
            # the whole block would be taken for that of whatever is stored in its stead.
            if digested:
                await to_thread.run_sync(self._digester.update, block)

        try:
            await take_in(chunks, store)
        except PathNotFound:
            raise self._unknown() from None
        received = writer.size - begin
        if size is not None and received != size:
            raise SizeInvalid(expected=size, actual=received)
        return received

    async def finish(self, digest: Digest, size: int | None = None) -> Layer:
        """Publish the content under `digest`, linked by this repository, and end the upload.

        The content is verified before anything can be read. When this returns, the blob is
        durable and the upload's resources are gone. A call that is cancelled after the content
        was verified is carried through.

        Raises:
            DigestMismatch: the content has another digest; the upload is ended.
            SizeInvalid: `size` is given and is not that of the content; the upload goes on.
            UploadBusy: another request is writing this upload.
            UploadUnknown: the upload is gone, or its data is.
        """
        writer = await self._claim()
        total = writer.size
        if size is not None and size != total:
            raise SizeInvalid(expected=size, actual=total, digest=str(digest))
        try:
            await writer.commit()
            try:
                await self._verify(digest, total)
            except DigestMismatch:
                await self.cancel()
                raise
            with CancelScope(shield=True):
                await BlobStore(self._driver).adopt(digest, self._path)
                await write_link(self._driver, paths.layer_link(self._name, digest), digest)
                await self._remove_resources()
        except PathNotFound:
            raise self._unknown() from None
        return Layer(self._driver, digest, content_digest=digest, size=total)

    async def cancel(self) -> None:
        """End the upload and delete all of it. An upload that is gone already is no error."""
        with CancelScope(shield=True):
            if self._writer is not None:
                writer, self._writer = self._writer, None
                await writer.cancel()
            await self._remove_resources()

    async def aclose(self) -> None:
        """Let go of the upload; the bytes received are durable and stay for the next request.

        Raises:
            UploadUnknown: someone else has ended the upload meanwhile.
        """
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._offset = writer.size
            try:
                await writer.aclose()
            except PathNotFound:
                raise self._unknown() from None

    def _check_start(self, start: int | None) -> None:
        if start is not None and start != self.offset:
            raise RangeInvalid(
                "the chunk does not start where the upload ends",
                offset=self.offset,
                given=str(start),
            )

    async def _claim(self) -> FileWriter:
        if self._writer is None:
            try:
                self._writer = await self._driver.open_appender(self._path)
            except PathNotFound:
                raise self._unknown() from None
            except WriterBusy:
                raise UploadBusy(upload_id=self.upload_id, name=str(self._name)) from None
        return self._writer

    async def _verify(self, digest: Digest, total: int) -> None:
        """Return if the stored content is that of `digest`, which is known if it was all hashed.

        Raises:
            DigestMismatch: it is not.
            SizeInvalid: the store gave back another number of bytes than it took.
        """
        if self._digester.algorithm is digest.algorithm and self._digester.size == total:
            actual = self._digester.digest()
            if actual != digest:
                raise DigestMismatch(expected=str(digest), actual=str(actual))
            return
        async with (
            FileReader(self._driver, self._path, total) as reader,
            aclosing(reader.chunks()) as chunks,
        ):
            async for _ in verified(chunks, digest, total):
                pass

    async def _remove_resources(self) -> None:
        try:
            await self._driver.delete(paths.upload(self._name, self.upload_id))
        except PathNotFound:
            _log.info("upload was removed by someone else", upload_id=self.upload_id)

    def _unknown(self) -> UploadUnknown:
        return UploadUnknown(upload_id=self.upload_id, name=str(self._name))
