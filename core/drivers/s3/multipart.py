"""One multipart upload at the store: parts that are sent, and become an object all at once."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Self

from anyio import CancelScope, to_thread

from core.drivers.s3.bucket import Part
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.faults import S3Refusal
from core.drivers.s3.part_body import PartBody
from core.errors import PathNotFound

__all__ = ["MultipartUpload", "find_uploads", "md5"]

_ABORT_ATTEMPTS = 5


async def md5(content: bytes | memoryview) -> str:
    """Return the MD5 of some content, found in a thread."""

    def digest() -> str:
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    return await to_thread.run_sync(digest)


class MultipartUpload:
    """Parts that are unseen until they are completed, and cost room until they are aborted."""

    def __init__(
        self, connection: S3Connection, path: str, upload_id: str, started_at: datetime | None
    ) -> None:
        self.path = path
        self.upload_id = upload_id
        self.started_at = started_at
        self._connection = connection
        self._key = connection.keys.key(path)
        self._in_doubt = False

    @classmethod
    async def create(cls, connection: S3Connection, path: str) -> Self:
        """Begin an upload, also when the caller is cancelled, who has to see to its end."""
        async with connection.change(path) as bucket:
            upload_id = await bucket.create_upload(connection.keys.key(path), connection.storage)
        return cls(connection, path, upload_id, None)

    async def send(self, number: int, content: PartBody) -> Part:
        """Store a part, in the place of one that had this number.

        Raises:
            PathNotFound: the upload is completed or aborted.
        """
        doubtful, self._in_doubt = self._in_doubt, True
        async with self._connection.call(self.path) as bucket:
            part = await bucket.send_part(self._key, self.upload_id, number, content)
        self._in_doubt = doubtful
        return part

    async def copy(self, number: int, source_key: str, etag: str, start: int, stop: int) -> Part:
        """Store the bytes `[start, stop)` of an object as a part, within the store.

        Raises:
            DriverUnavailable: the object is not the one with this ETag, or there is none.
        """
        doubtful, self._in_doubt = self._in_doubt, True
        async with self._connection.call(self.path) as bucket:
            part = await bucket.copy_part(
                self._key, self.upload_id, number, source_key, etag, start, stop
            )
        self._in_doubt = doubtful
        return part

    async def parts(self) -> list[Part]:
        """Return all parts that the store has, by their numbers.

        Some stores also list a part that another one has replaced. That is the larger one: what
        takes the place of a part begins with its bytes.

        Raises:
            PathNotFound: the upload is completed or aborted.
        """
        parts: dict[int, Part] = {}
        marker = 0
        while True:
            async with self._connection.call(self.path) as bucket:
                page = await bucket.list_parts(self._key, self.upload_id, marker)
            for part in page.parts:
                if part.number not in parts or part.size > parts[part.number].size:
                    parts[part.number] = part
            if page.marker is None:
                return [parts[number] for number in sorted(parts)]
            marker = page.marker

    async def complete(self, parts: Sequence[Part]) -> str | None:
        """Make an object of `parts`, which have to be just those that the store has.

        Returns:
            Its ETag, if the answer tells it.

        Raises:
            PathNotFound: the upload was aborted, or completed with other parts.
            DriverUnavailable: the store did not confirm, or has another part than this one.
        """
        try:
            async with self._connection.change(self.path) as bucket:
                return await bucket.complete_upload(self._key, self.upload_id, parts) or None
        except PathNotFound:
            # Its answer may have been lost the first time.
            if not await self._is_completed(parts):
                raise
            return None

    async def abort(self) -> None:
        """Discard all parts. An upload that is gone already is no error."""
        with CancelScope(shield=True):
            for _ in range(_ABORT_ATTEMPTS):
                async with self._connection.change(self.path) as bucket:
                    try:
                        await bucket.abort_upload(self._key, self.upload_id)
                    except S3Refusal as refusal:
                        if refusal.code != "NoSuchUpload":
                            raise
                # A part that was still on its way may come after the first abort.
                if not self._in_doubt or not await self.exists():
                    return

    async def exists(self) -> bool:
        """Say whether the upload is neither completed nor aborted."""
        try:
            async with self._connection.call(self.path) as bucket:
                await bucket.list_parts(self._key, self.upload_id, max_parts=1)
        except PathNotFound:
            return False
        return True

    async def _is_completed(self, parts: Sequence[Part]) -> bool:
        """Say whether the object at the key is made of just these parts."""
        try:
            digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
        except ValueError:
            return False
        expected = f'"{await md5(digests)}-{len(parts)}"'
        try:
            async with self._connection.call(self.path) as bucket:
                found = await bucket.head(self._key)
        except PathNotFound:
            return False
        size = sum(part.size for part in parts)
        return found.etag == expected and found.size == size


async def find_uploads(
    connection: S3Connection, path: str, prefix: str
) -> AsyncIterator[MultipartUpload]:
    """Yield the unfinished uploads of all keys with a prefix."""
    marker: tuple[str, str] | None = ("", "")
    while marker is not None:
        async with connection.call(path) as bucket:
            page = await bucket.list_uploads(prefix, *marker)
        for found in page.uploads:
            yield MultipartUpload(
                connection, connection.keys.path(found.key), found.upload_id, found.started_at
            )
        marker = page.marker
