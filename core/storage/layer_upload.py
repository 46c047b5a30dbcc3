"""`LayerUpload`: the writing side of a blob, resumable on any node that shares the store."""

from collections.abc import AsyncIterable
from datetime import datetime
from types import TracebackType

import structlog
from anyio import CancelScope
from anyio.abc import AsyncResource

from core.digest import Algorithm, Digest, Digester
from core.drivers import Change, CleanUp, FileWriter, Fill, StorageDriver
from core.errors import (
    DigestMismatch,
    DriverError,
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
from core.storage.hash_states import MIN_STATE_BYTES, find_digester, keep_digester
from core.storage.intake import take_in
from core.storage.layer import Layer
from core.storage.links import layer_links
from core.storage.names import RepositoryName
from core.storage.publishing import publish
from core.storage.recent_digesters import RecentDigesters
from core.storage.small_bodies import check_digest, check_small, gather, update_digester
from core.storage.stored_content import verify_stored

__all__ = ["LayerUpload"]

_log = structlog.get_logger()


class LayerUpload(AsyncResource):
    """One unfinished blob. Its state is in the store alone: bytes, and when they began to come.

    Used with `async with`. The first call that writes claims the upload, and leaving the block
    lets go of it: while it is claimed, every other writer is refused at once, in other processes
    too. What was received stays for the next request until `finish` or `cancel`.

    Attributes:
        upload_id: a UUID.
        started_at: when it was started, whole seconds, UTC; None where that was not looked up.
    """

    def __init__(
        self,
        driver: StorageDriver,
        name: RepositoryName,
        upload_id: str,
        *,
        started_at: datetime | None,
        offset: int,
        algorithm: Algorithm,
        digesters: RecentDigesters,
    ) -> None:
        self.upload_id = upload_id
        self.started_at = started_at
        self._driver = driver
        self._name = name
        self._path = paths.upload_data(name, upload_id)
        self._offset = offset
        self._digester = Digester(algorithm)
        self._recent = digesters
        self._has_news = False
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
        writer = await self._open()
        self._check_start(start)
        self._digester = await self._find_digester(writer.size)
        begin = writer.size

        async def store(block: memoryview, *, is_all: bool = False) -> None:
            if size is not None and writer.size + len(block) - begin > size:
                raise SizeInvalid(expected=size, actual=writer.size + len(block) - begin)
            digested = self._digester.size == writer.size
            self._has_news = True
            # Only what was stored is digested: after a write that failed midway, the digest of
            # the whole block would be taken for that of whatever is stored in its stead.
            if is_all and not self._driver.flat:
                await writer.write_durably(block)
                if digested:
                    await update_digester(self._digester, block)
            elif digested:
                await writer.write_and(block, self._digester.update)
            else:
                await writer.write(block)

        gathered = await gather(chunks)
        try:
            if not gathered.is_all:
                await take_in(gathered, store)
            elif gathered.content:
                await store(memoryview(gathered.content), is_all=True)
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

        What a tarsum names is stored under its SHA-256, and linked under both.

        Raises:
            DigestMismatch: the content has another digest; the upload is ended.
            ArchiveTruncated: `digest` is a tarsum, and the content is the beginning of an archive;
                the upload goes on.
            SizeInvalid: `size` is given and is not that of the content; the upload goes on.
            UploadBusy: another request is writing this upload.
            UploadUnknown: the upload is gone, or its data is.
        """
        writer = await self._open()
        total = writer.size
        if size is not None and size != total:
            raise SizeInvalid(expected=size, actual=total, digest=str(digest))
        try:
            self._has_news = False
            await writer.commit()
            try:
                content = await self._verify(digest, total)
            except DigestMismatch:
                await self.cancel()
                raise
            await self._publish(digest, content)
        except PathNotFound:
            raise self._unknown() from None
        return Layer(self._driver, digest, content_digest=content, size=total)

    async def finish_with(
        self,
        chunks: AsyncIterable[bytes],
        digest: Digest,
        *,
        start: int | None = None,
        size: int | None = None,
    ) -> Layer:
        """Add the last of the content, all of it if nothing has come yet, and `finish`.

        In a flat store, where a move is a copy, the whole content goes straight to its place, and
        is not kept for another request if it breaks off.

        Raises:
            RangeInvalid, SizeInvalid, UploadBusy, UploadUnknown: as in `read_from`.
            DigestMismatch, ArchiveTruncated: as in `finish`; what is small and comes in one piece
                is not kept.
        """
        self._check_start(start)
        if (await self._open()).size == 0:
            self._check_start(start)
            # The place of what a tarsum names is known when all of it has come.
            if self._driver.flat and digest.algorithm.names_bytes:
                return await self._finish_straight(chunks, digest, size)
            gathered = await gather(chunks)
            is_small = gathered.is_all and size in {None, len(gathered.content)}
            if is_small and not self._driver.flat:
                return await self._finish_small(bytes(gathered.content), digest)
            chunks = gathered
        await self.read_from(chunks, start=start, size=size)
        return await self.finish(digest)

    async def claim(self) -> None:
        """Hold the upload from now on, until it is closed.

        Raises:
            UploadBusy: another request is writing it.
            UploadUnknown: the upload is gone, or its data is.
        """
        await self._open()

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
                try:
                    if self._has_news:
                        await self._keep_state(writer)
                finally:
                    await writer.aclose()
                # Elsewhere small content is at hand, and rather verified once more.
                if (
                    (self._driver.flat and self._has_news)
                    and self._digester.size == self._offset
                    # A running tarsum may take some tens of MiB.
                    and self._digester.algorithm.names_bytes
                ):
                    self._recent.keep(self._path, self._digester)
            except PathNotFound:
                raise self._unknown() from None

    def _check_start(self, start: int | None) -> None:
        if start is not None and start != self.offset:
            raise RangeInvalid(
                "the chunk does not start where the upload ends",
                offset=self.offset,
                given=str(start),
            )

    async def _open(self) -> FileWriter:
        if self._writer is None:
            try:
                self._writer = await self._driver.open_appender(self._path)
            except PathNotFound:
                raise self._unknown() from None
            except WriterBusy:
                raise UploadBusy(upload_id=self.upload_id, name=str(self._name)) from None
        return self._writer

    async def _find_digester(self, size: int) -> Digester:
        """Return the digester of the first `size` bytes, or one that has not seen them."""
        if self._digester.size == size:
            return self._digester
        algorithm = self._digester.algorithm
        recent = self._recent.take(self._path, algorithm, size)
        if recent is not None:
            return recent
        found = await find_digester(self._driver, self._name, self.upload_id, algorithm, size)
        return found or self._digester

    async def _keep_state(self, writer: FileWriter) -> None:
        """Keep the state of the hash, once its bytes are durable and before others can go on."""
        if self._digester.size == writer.size >= MIN_STATE_BYTES:
            await writer.flush()
            await keep_digester(self._driver, self._name, self.upload_id, self._digester)

    async def _verify(self, digest: Digest, total: int) -> Digest:
        """Return the digest to store the content under, which is known if it was all hashed.

        Raises:
            DigestMismatch, ArchiveTruncated: it is not that of `digest`.
            SizeInvalid: the store gave back fewer bytes than it took.
        """
        digester = await self._find_digester(total)
        if digester.algorithm is digest.algorithm and digester.size == total:
            return await check_digest(digester, digest)
        return await verify_stored(self._driver, self._path, digest, total)

    async def _finish_straight(
        self, chunks: AsyncIterable[bytes], digest: Digest, size: int | None
    ) -> Layer:
        """Publish `chunks` without keeping them for another request if they break off."""
        try:
            layer = await publish(self._driver, self._name, chunks, digest, size)
        except DigestMismatch:
            await self.cancel()
            raise
        with CancelScope(shield=True):
            await self._driver.apply([self._clean_up()])
            await self._let_go()
        return layer

    async def _finish_small(self, content: bytes, digest: Digest) -> Layer:
        """Publish `content`, of which the upload has nothing yet, and end the upload."""
        try:
            stored_as = await check_small(content, digest)
        except DigestMismatch:
            await self.cancel()
            raise
        writer = await self._open()
        try:
            # Nothing more is written by this writer, which only holds the claim from now on.
            await writer.commit()
            await self._publish(digest, stored_as, Fill(self._path, content))
        except PathNotFound:
            # Someone else has ended the upload while the content came.
            raise self._unknown() from None
        return Layer(self._driver, digest, content_digest=stored_as, size=len(content))

    async def _publish(self, digest: Digest, content: Digest, *filling: Fill) -> None:
        """Give verified content its place, link it and end the upload, in one call to the store."""
        with CancelScope(shield=True):
            adopting = await BlobStore(self._driver).adopting(content, self._path)
            links = layer_links(self._name, digest, content)
            await self._driver.apply([*filling, *adopting, *links])
            await self._let_go()

    def _clean_up(self) -> Change:
        return CleanUp(paths.upload(self._name, self.upload_id))

    async def _remove_resources(self) -> None:
        try:
            await self._driver.delete(paths.upload(self._name, self.upload_id))
        except PathNotFound:
            _log.info("upload was removed by someone else", upload_id=self.upload_id)

    async def _let_go(self) -> None:
        """End the claim of an upload that is published, which nothing can undo any more."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            try:
                await writer.aclose()
            except PathNotFound:
                # What it has claimed has just been removed.
                return
            except DriverError as error:
                _log.warning("upload was not closed", upload_id=self.upload_id, reason=str(error))

    def _unknown(self) -> UploadUnknown:
        return UploadUnknown(upload_id=self.upload_id, name=str(self._name))
