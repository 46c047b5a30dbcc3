"""The global store of content by digest. Who may reach it is decided by repositories' links."""

from collections.abc import Sequence

import structlog

from core.digest import Digest
from core.drivers import Change, CleanUp, MoveOut, Put, StorageDriver
from core.errors import PathNotFound
from core.storage import paths
from core.storage.descriptor_cache import NO_DESCRIPTORS, DescriptorCache
from core.storage.file_reader import FileReader

__all__ = ["BlobStore"]

_log = structlog.get_logger()


class BlobStore:
    """Content by digest. Whatever is stored was verified before it got its name."""

    def __init__(
        self, driver: StorageDriver, descriptors: DescriptorCache = NO_DESCRIPTORS
    ) -> None:
        self._driver = driver
        self._descriptors = descriptors

    async def find_size(self, digest: Digest) -> int | None:
        """Return the size in bytes of the content of `digest`, or None if it is not here."""
        try:
            found = await self._driver.stat(paths.blob_data(digest))
        except PathNotFound:
            await self._descriptors.forget(digest)
            return None
        return None if found.is_directory else found.size

    async def find_known_size(self, digest: Digest) -> int | None:
        """Return the size from the cache, or else from the store, or None if it is in neither.

        Good for reading, which finds out what is gone; never for a promise that it is there.
        """
        if self._descriptors is NO_DESCRIPTORS:
            return await self.find_size(digest)
        size = await self._descriptors.find_size(digest)
        if size is None:
            size = await self.find_size(digest)
            if size is not None:
                await self._descriptors.remember(digest, size)
        return size

    async def forget(self, digest: Digest) -> None:
        """Drop what the cache says of content that was found missing, or of another size."""
        await self._descriptors.forget(digest)

    async def find(self, digest: Digest) -> bytes | None:
        """Return small content whole, verified once more, or None if it is not here.

        Content that is not what its name says counts as missing, and is logged.
        """
        content = await self.find_unverified(digest)
        if content is not None and Digest.of(content, digest.algorithm) != digest:
            _log.error("content is damaged", path=paths.blob_data(digest), size=len(content))
            return None
        return content

    async def find_unverified(self, digest: Digest) -> bytes | None:
        """Return small content whole, as the reader of a blob gets it, or None if it is not here.

        Whether it is what its name says is for the client to see, as with larger blobs.
        """
        try:
            return await self._driver.get(paths.blob_data(digest))
        except PathNotFound:
            return None

    def reader(self, digest: Digest, size: int) -> FileReader:
        """Return a reader of content whose size was looked up before."""
        return FileReader(self._driver, paths.blob_data(digest), size)

    def putting(self, digest: Digest, content: bytes) -> Change:
        """Return the change that stores small content, verified to be that of `digest`.

        What is there already is replaced, so that a push heals what was damaged.
        """
        return Put(paths.blob_data(digest), content)

    async def adopting(self, digest: Digest, source: str) -> Sequence[Change]:
        """Return what gives the file at the driver path `source`, verified, its final name.

        What is there already is replaced, so that a push heals what was damaged. The directory of
        `source` is deleted. In a flat store, where a move would be a copy, the copy is made by this
        call.

        Raises:
            PathNotFound: `source` is gone; elsewhere than in a flat store, `apply` tells that.
        """
        if not self._driver.flat:
            return (MoveOut(source, paths.blob_data(digest)),)
        await self._driver.copy(source, paths.blob_data(digest))
        return (CleanUp(source.rpartition("/")[0]),)
