"""`Layer`: a blob as one repository has it."""

from core.digest import Digest
from core.drivers import RedirectMethod, StorageDriver
from core.storage import paths
from core.storage.blob_store import BlobStore
from core.storage.file_reader import FileReader

__all__ = ["Layer"]


class Layer:
    """A blob that this repository links, found a moment ago.

    Attributes:
        digest: the one it was asked for, under which it is linked.
        identity: the one that tells these bytes from all others: `digest`, unless that is a tarsum,
            which names what is in an archive. Then it is what the bytes are stored under, which in
            a store of that time is the tarsum again, whose bytes there are never replaced.
        size: in bytes.
    """

    def __init__(
        self,
        driver: StorageDriver,
        digest: Digest,
        *,
        content_digest: Digest,
        size: int,
        blobs: BlobStore | None = None,
    ) -> None:
        """Prepare a layer whose bytes are stored under `content_digest`, in `blobs`."""
        self.digest = digest
        self.identity = digest if digest.algorithm.names_bytes else content_digest
        self.size = size
        self._driver = driver
        self._content_digest = content_digest
        self._blobs = blobs or BlobStore(driver)

    async def read_whole(self) -> bytes | None:
        """Return all of the content, or None if it is gone; meant for small layers.

        It may have another size than when the layer was found.

        Raises:
            DriverError: the store did not give it.
        """
        return await self._blobs.find_unverified(self._content_digest)

    def open(self) -> FileReader:
        """Return a reader of the content, to be closed by the caller."""
        return self._blobs.reader(self._content_digest, self.size)

    async def forget(self) -> None:
        """Drop what a cache says of the content, which was found missing or of another size."""
        await self._blobs.forget(self._content_digest)

    async def redirect_url(self, method: RedirectMethod) -> str | None:
        """Return a URL of the store with the content, or None if it has to be read here."""
        if not self._driver.gives_urls:
            return None
        return await self._driver.redirect_url(paths.blob_data(self._content_digest), method)
