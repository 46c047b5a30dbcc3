"""An upload that goes on behind what earlier appenders have left, part by part."""

from typing import Self

from anyio import CancelScope

from core.drivers.base import FileWriter
from core.drivers.claims import Claim, ClaimStore
from core.drivers.gcs.bucket import Bucket, StoredObject
from core.drivers.gcs.compose import compose_all, delete_quietly
from core.drivers.gcs.keys import upload_prefix
from core.drivers.gcs.parts import PartSender, PartSettings
from core.drivers.gcs.reader import UPLOAD_SESSION
from core.drivers.gcs.uploads import Upload, begin_upload, delete_below, find_upload
from core.errors import DriverUnavailable, PathNotFound, WriterBusy

__all__ = ["GCSAppender"]


class GCSAppender(FileWriter):
    """The holder of a claim. What it stores is never in the place of what another has stored."""

    def __init__(
        self,
        bucket: Bucket,
        path: str,
        key: str,
        settings: PartSettings,
        claim: Claim,
        parts: list[StoredObject],
        committed: StoredObject | None,
    ) -> None:
        """Go on behind `parts`, or behind `committed` if there are none."""
        self._bucket = bucket
        self._path = path
        self._key = key
        self._settings = settings
        self._claim = claim
        self._earlier = parts
        self._committed = committed
        self._begin = sum(part.size for part in parts) if committed is None else committed.size
        self._sender = PartSender(bucket, upload_prefix(key), max(len(parts), 1), settings)
        self._published = False
        self._closed = False

    @classmethod
    async def open(
        cls,
        bucket: Bucket,
        path: str,
        key: str,
        settings: PartSettings,
        claims: ClaimStore,
        *,
        create: bool,
    ) -> Self:
        """Claim a path, and find what there is to go on with.

        Raises:
            PathNotFound: there is nothing, and `create` was not said.
            WriterBusy: another appender holds the path.
            DriverUnavailable: the store did not answer.
        """
        claim = await Claim.acquire(claims, path)
        try:
            upload = await find_upload(bucket, key)
            await delete_quietly(bucket, upload.strays)
            committed = None if upload.parts else await bucket.find(key)
            if committed is not None and committed.content_type == UPLOAD_SESSION:
                committed = None
            parts = list(upload.parts)
            if not parts and committed is None:
                if not create:
                    raise PathNotFound(path)
                with CancelScope(shield=True):
                    marker = await begin_upload(bucket, key, None)
                if marker is None:
                    raise WriterBusy(path)
                parts.append(marker)
            return cls(bucket, path, key, settings, claim, parts, committed)
        except BaseException:
            await claim.release()
            raise

    @property
    def size(self) -> int:
        return self._begin + self._sender.size

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._check_claim()
        if not self._earlier and chunk:
            with CancelScope(shield=True):
                marker = await begin_upload(self._bucket, self._key, self._committed)
            if marker is None:
                raise PathNotFound(self._path)
            self._earlier.append(marker)
        await self._sender.write(chunk)

    async def flush(self) -> None:
        if self._sender.size:
            with CancelScope(shield=True):
                await self._keep()

    async def commit(self) -> None:
        if self._published:
            return
        self._check_claim()
        if self._earlier:
            stored = any(part.size for part in self._earlier) or self._sender.has_sent
            added = await self._sender.flush() if stored else []
            with CancelScope(shield=True):
                await self._publish([*self._earlier, *added])
        self._published = True

    async def cancel(self) -> None:
        if self._closed:
            return
        self._closed = True
        with CancelScope(shield=True):
            try:
                await self._sender.abandon()
                await delete_below(self._bucket, upload_prefix(self._key))
                if self._committed is not None:
                    await self._bucket.delete(self._key, self._committed.generation)
            finally:
                await self._claim.release()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        with CancelScope(shield=True):
            try:
                if self._sender.size and not self._published:
                    await self._keep()
            finally:
                await self._sender.abandon()
                await self._claim.release()

    async def _keep(self) -> None:
        """Store what was written for the next appender.

        Raises:
            PathNotFound: the upload was deleted; nothing of it is kept.
        """
        self._check_claim()
        added = await self._sender.flush()
        try:
            await self._check_parts([*self._earlier, *added])
        except PathNotFound:
            await delete_quietly(self._bucket, self._sender.keys)
            raise

    async def _publish(self, parts: list[StoredObject]) -> None:
        upload = await self._check_parts(parts)
        sources = [part for part in parts if part.size]
        published = (
            await compose_all(self._bucket, sources, self._key)
            if sources
            else await self._bucket.insert(self._key, self._sender.unsent)
        )
        if published is None:
            raise PathNotFound(self._path)
        self._committed = published
        self._published = True
        keys = [part.key for part in upload.parts]
        # Without its marker the rest is no upload, and what is committed counts.
        await delete_quietly(self._bucket, keys[:1])
        await delete_quietly(self._bucket, keys[1:])

    async def _check_parts(self, parts: list[StoredObject]) -> Upload:
        """Return what is stored if it is just these parts.

        Raises:
            PathNotFound: some of them are gone.
            DriverUnavailable: there are others.
        """
        upload = await find_upload(self._bucket, self._key)
        found = {part.key: part.generation for part in upload.parts}
        if any(found.get(part.key) != part.generation for part in parts):
            raise PathNotFound(self._path)
        if len(found) > len(parts) or upload.strays:
            raise DriverUnavailable(self._path, "another writer has stored parts of this upload")
        return upload

    def _check_claim(self) -> None:
        try:
            self._claim.check()
        except WriterBusy:
            raise DriverUnavailable(self._path, "another writer holds this upload by now") from None
