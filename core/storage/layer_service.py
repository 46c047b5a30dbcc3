"""`LayerService`: the blobs of one repository."""

import uuid
from collections.abc import AsyncIterable
from datetime import UTC, datetime

import structlog

from core.digest import SHA256, Algorithm, Digest
from core.drivers import BeginUpload, Put, StorageDriver
from core.errors import BlobUnknown, DigestMismatch, PathNotFound, UploadUnknown
from core.storage import paths
from core.storage.blob_store import BlobStore
from core.storage.descriptor_cache import NO_DESCRIPTORS, DescriptorCache
from core.storage.layer import Layer
from core.storage.layer_upload import LayerUpload
from core.storage.links import find_link, layer_links, unlink
from core.storage.names import RepositoryName
from core.storage.publishing import publish
from core.storage.recent_digesters import RecentDigesters
from core.storage.started_at import format_started_at, parse_started_at

__all__ = ["LayerService"]

_log = structlog.get_logger()


class LayerService:
    """Blobs as one repository links them. Every read goes through the link."""

    def __init__(
        self,
        driver: StorageDriver,
        name: RepositoryName,
        descriptors: DescriptorCache = NO_DESCRIPTORS,
        digesters: RecentDigesters | None = None,
    ) -> None:
        self._driver = driver
        self._name = name
        self._digesters = digesters or RecentDigesters()
        self._blobs = BlobStore(driver, descriptors)

    async def find(self, digest: Digest) -> Layer | None:
        """Return a blob that the repository links and that is there, or None."""
        target = await find_link(self._driver, paths.layer_link(self._name, digest), digest)
        size = None if target is None else await self._blobs.find_size(target)
        if target is None or size is None:
            return None
        return Layer(self._driver, digest, content_digest=target, size=size)

    async def fetch(self, digest: Digest) -> Layer:
        """Return a blob to be read.

        The store itself says whether the repository links it. With a cache of descriptors, what
        somebody took out of the store in another way may be noticed only when it is read.

        Raises:
            BlobUnknown: the repository does not link it, or its content is gone.
        """
        target = await find_link(self._driver, paths.layer_link(self._name, digest), digest)
        size = None if target is None else await self._blobs.find_known_size(target)
        if target is None or size is None:
            raise BlobUnknown(digest=str(digest), name=str(self._name))
        return Layer(self._driver, digest, content_digest=target, size=size, blobs=self._blobs)

    async def exists(self, digest: Digest) -> bool:
        """Say whether the repository links the blob and its content is there."""
        return await self.find(digest) is not None

    async def upload(
        self, algorithm: Algorithm = SHA256, upload_id: str | None = None
    ) -> LayerUpload:
        """Start an upload that any node can resume.

        Args:
            algorithm: of the digest that is expected at the end; another one costs a second
                reading of the content.
            upload_id: a UUID that nobody has used; None makes a random one.
        """
        upload_id = upload_id or str(uuid.uuid4())
        started_at = datetime.now(UTC).replace(microsecond=0)
        await self._driver.apply(
            [
                Put(
                    paths.upload_started_at(self._name, upload_id),
                    format_started_at(started_at),
                    # Uploads of one second have it alike, and no registry ever changes it.
                    may_share=True,
                ),
                BeginUpload(paths.upload_data(self._name, upload_id)),
            ]
        )
        return LayerUpload(
            self._driver,
            self._name,
            upload_id,
            started_at=started_at,
            offset=0,
            algorithm=algorithm,
            digesters=self._digesters,
        )

    async def push(
        self, chunks: AsyncIterable[bytes], digest: Digest, size: int | None = None
    ) -> Layer:
        """Store a blob in one go, without an upload that could be gone on with.

        When this returns, the blob is verified, durable and linked; whatever else happens,
        nothing is left.

        Raises:
            DigestMismatch, ArchiveTruncated: the content has another digest.
            SizeInvalid: `size` is given, and there were more or fewer bytes.
        """
        if digest.algorithm.names_bytes:
            return await publish(self._driver, self._name, chunks, digest, size)
        # Where the content will stay is known when all of it has come.
        async with await self.upload(digest.algorithm) as upload:
            try:
                return await upload.finish_with(chunks, digest, size=size)
            except DigestMismatch:
                # That has ended the upload.
                raise
            except BaseException:
                await upload.cancel()
                raise

    async def resume(self, upload_id: str, algorithm: Algorithm = SHA256) -> LayerUpload:
        """Return an upload that was started earlier, by any node.

        Raises:
            UploadUnknown: there is none of this id in this repository, or its data is gone.
        """
        started_at = await self._find_start(upload_id)
        try:
            data = await self._driver.stat_upload(paths.upload_data(self._name, upload_id))
        except PathNotFound:
            raise self._unknown(upload_id) from None
        return LayerUpload(
            self._driver,
            self._name,
            upload_id,
            started_at=started_at,
            offset=data.size,
            algorithm=algorithm,
            digesters=self._digesters,
        )

    async def resume_writing(self, upload_id: str, algorithm: Algorithm = SHA256) -> LayerUpload:
        """Return an upload that was started earlier, by any node, to write to it or end it.

        Where it costs much to ask how much has come, the upload is claimed at once, which tells
        that too.

        Raises:
            UploadBusy: another request is writing it.
            UploadUnknown: there is none of this id in this repository, or its data is gone.
        """
        if not self._driver.flat:
            return await self.resume(upload_id, algorithm)
        if not _is_upload_id(upload_id):
            raise self._unknown(upload_id)
        upload = LayerUpload(
            self._driver,
            self._name,
            upload_id,
            started_at=None,
            offset=0,
            algorithm=algorithm,
            digesters=self._digesters,
        )
        await upload.claim()
        return upload

    async def _find_start(self, upload_id: str) -> datetime:
        if not _is_upload_id(upload_id):
            raise self._unknown(upload_id)
        try:
            text = await self._driver.get(paths.upload_started_at(self._name, upload_id))
            return parse_started_at(text)
        except PathNotFound:
            raise self._unknown(upload_id) from None
        except ValueError:
            _log.error("start of an upload is damaged", upload_id=upload_id, name=str(self._name))
            raise self._unknown(upload_id) from None

    def _unknown(self, upload_id: str) -> UploadUnknown:
        return UploadUnknown(upload_id=upload_id, name=str(self._name))

    async def mount(self, digest: Digest, source: RepositoryName | None) -> Layer | None:
        """Link a blob of another repository here without moving a byte, durably.

        What a tarsum names is linked under the digest of its bytes too, if it is stored by that.

        Args:
            digest: of the blob.
            source: the repository that has it; None takes it from wherever it is stored.

        Returns:
            The blob as this repository has it now, or None if the source does not have it.
        """
        target: Digest | None = digest
        if source is not None:
            target = await find_link(self._driver, paths.layer_link(source, digest), digest)
        size = None if target is None else await self._blobs.find_size(target)
        if target is None or size is None:
            return None
        await self._driver.apply(layer_links(self._name, digest, target))
        return Layer(self._driver, digest, content_digest=target, size=size)

    async def delete(self, digest: Digest) -> None:
        """Remove the repository's link to a blob. Other repositories keep theirs.

        A blob that is linked under two digests goes by each of them apart.

        Raises:
            BlobUnknown: the repository does not link it.
        """
        if not await unlink(self._driver, paths.layer_link(self._name, digest)):
            raise BlobUnknown(digest=str(digest), name=str(self._name))


def _is_upload_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
