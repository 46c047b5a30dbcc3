"""`BlobCopier`: content by digest from one store to another, verified on its way."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from core.digest import Digest, verified
from core.drivers import DriverReader, StorageDriver
from core.errors import ArchiveTruncated, DigestMismatch, PathNotFound, SizeInvalid
from core.storage import paths
from core.storage.blob_store import BlobStore
from core.storage.copying.copy_tally import BlobProgress, CopyTally
from core.storage.copying.patience import Patience
from core.storage.file_reader import CHUNK_BYTES
from core.storage.intake import take_in

__all__ = ["BlobCopier"]

_DAMAGE = (DigestMismatch, ArchiveTruncated)

_MAX_REMEMBERED = 100_000
"""Blobs known to be at the destination. Past them, the store is asked for each link's."""


class BlobCopier:
    """Copies blobs one by one. Nothing is published that is not what its digest says.

    With `verify`, what the destination has is read too, and replaced if it is damaged; otherwise
    its size has to do. With `dry_run`, nothing is written, and what is copied is not read.
    """

    def __init__(
        self,
        source: StorageDriver,
        destination: StorageDriver,
        tally: CopyTally,
        patience: Patience,
        *,
        verify: bool,
        dry_run: bool,
    ) -> None:
        self._source = source
        self._destination = destination
        self._source_blobs = BlobStore(source)
        self._destination_blobs = BlobStore(destination)
        self._tally = tally
        self._patience = patience
        self._verify = verify
        self._dry_run = dry_run
        self._present: set[Digest] = set()
        self._failed: set[Digest] = set()

    async def copy(self, digest: Digest, size: int) -> None:
        """Have a blob of `size` bytes at the destination, or a fault in the tally.

        A blob that is gone from the source meanwhile is neither.
        """
        with self._tally.blob(size) as progress:
            present = await self._patience.attempt(
                str(digest), lambda: self._copy(digest, size, progress)
            )
        if not present:
            self._failed.add(digest)
        elif self._dry_run or len(self._present) < _MAX_REMEMBERED:
            self._present.add(digest)

    async def ensure(self, digest: Digest) -> bool:
        """Say whether a blob is at the destination, having copied it if it was not.

        A blob that could not be copied before is not tried again.

        Raises:
            DriverError: a store did not tell.
        """
        if digest in self._present:
            return True
        if digest in self._failed:
            return False
        if await self._destination_blobs.find_size(digest) is not None:
            return True
        size = await self._source_blobs.find_size(digest)
        if size is None:
            return False
        self._tally.add_blob(size)
        await self.copy(digest, size)
        return digest not in self._failed

    async def _copy(self, digest: Digest, size: int, progress: BlobProgress) -> bool:
        progress.restart()
        found = await self._destination_blobs.find_size(digest)
        if found is not None and (
            await self._is_right(digest, progress) if self._verify else found == size
        ):
            self._tally.present_blobs += 1
            return True
        if not self._dry_run:
            try:
                if not await self._transfer(digest, progress):
                    return False
            except (*_DAMAGE, SizeInvalid) as error:
                # Of two sizes that differ, that of the destination may be the right one.
                if found is not None and await self._is_right(digest, progress):
                    self._tally.present_blobs += 1
                    return True
                self._tally.add_fault(str(digest), f"damaged in the source: {_explain(error)}")
                return False
        self._tally.copied_bytes += size
        if found is None:
            self._tally.copied_blobs += 1
        else:
            self._tally.healed_blobs += 1
        return True

    async def _transfer(self, digest: Digest, progress: BlobProgress) -> bool:
        """Stream a blob to the destination; say whether the source still had it.

        Raises:
            DigestMismatch, ArchiveTruncated, SizeInvalid: it is damaged there; the destination is
                untouched.
        """
        progress.restart()
        path = paths.blob_data(digest)
        try:
            reader = await self._source.open_reader(path)
        except PathNotFound:
            return False
        async with (
            reader,
            await self._destination.open_writer(path) as writer,
            aclosing(_chunks(reader)) as chunks,
        ):

            async def store(block: memoryview) -> None:
                await writer.write(block)
                progress.add(len(block))

            await take_in(verified(chunks, digest, reader.size), store)
            await writer.commit()
        return True

    async def _is_right(self, digest: Digest, progress: BlobProgress) -> bool:
        """Read a blob of the destination; say whether it is what its digest says."""
        progress.restart()
        try:
            async with (
                await self._destination.open_reader(paths.blob_data(digest)) as reader,
                aclosing(_chunks(reader)) as chunks,
            ):
                async for chunk in verified(chunks, digest):
                    progress.add(len(chunk))
        except (PathNotFound, *_DAMAGE):
            return False
        return True


async def _chunks(reader: DriverReader) -> AsyncGenerator[bytes, None]:
    while chunk := await reader.read(CHUNK_BYTES):
        yield bytes(chunk)


def _explain(error: DigestMismatch | ArchiveTruncated | SizeInvalid) -> str:
    actual = error.detail.get("actual")
    if isinstance(error, SizeInvalid) or actual is None:
        return error.message
    return f"its content is {actual}"
