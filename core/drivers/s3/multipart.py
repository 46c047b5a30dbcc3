"""One multipart upload at the store: parts that are sent, and become an object all at once."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from anyio import CancelScope, to_thread
from botocore.exceptions import ClientError

from core.drivers.s3.connection import S3Connection
from core.drivers.s3.faults import error_code
from core.drivers.s3.part_body import PartBody
from core.errors import PathNotFound

__all__ = ["MultipartUpload", "Part", "find_uploads", "md5"]

_ABORT_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part as the store has it.

    Attributes:
        number: its place, from 1.
        etag: tells its content; the MD5 of it, unless the store encrypts with other keys than
            its own.
        size: in bytes.
    """

    number: int
    etag: str
    size: int


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
        async with connection.change(path) as client:
            answer = await client.create_multipart_upload(
                Bucket=connection.bucket, Key=connection.keys.key(path), **connection.storage
            )
        return cls(connection, path, answer["UploadId"], None)

    async def send(self, number: int, content: PartBody) -> Part:
        """Store a part, in the place of one that had this number.

        Raises:
            PathNotFound: the upload is completed or aborted.
        """
        size = len(content)
        doubtful, self._in_doubt = self._in_doubt, True
        async with self._connection.call(self.path) as client:
            answer = await client.upload_part(
                Bucket=self._connection.bucket,
                Key=self._key,
                UploadId=self.upload_id,
                PartNumber=number,
                Body=content.body,
                ContentLength=size,
            )
        self._in_doubt = doubtful
        return Part(number=number, etag=answer["ETag"], size=size)

    async def copy(self, number: int, source_key: str, etag: str, start: int, stop: int) -> Part:
        """Store the bytes `[start, stop)` of an object as a part, within the store.

        Raises:
            DriverUnavailable: the object is not the one with this ETag, or there is none.
        """
        doubtful, self._in_doubt = self._in_doubt, True
        async with self._connection.call(self.path) as client:
            answer = await client.upload_part_copy(
                Bucket=self._connection.bucket,
                Key=self._key,
                UploadId=self.upload_id,
                PartNumber=number,
                CopySource={"Bucket": self._connection.bucket, "Key": source_key},
                CopySourceIfMatch=etag,
                CopySourceRange=f"bytes={start}-{stop - 1}",
            )
        self._in_doubt = doubtful
        return Part(number=number, etag=answer["CopyPartResult"]["ETag"], size=stop - start)

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
            async with self._connection.call(self.path) as client:
                page = await client.list_parts(
                    Bucket=self._connection.bucket,
                    Key=self._key,
                    UploadId=self.upload_id,
                    PartNumberMarker=marker,
                )
            for listed in page.get("Parts", ()):
                number, size = listed["PartNumber"], listed["Size"]
                if number not in parts or size > parts[number].size:
                    parts[number] = Part(number=number, etag=listed["ETag"], size=size)
            if not page.get("IsTruncated", False):
                return [parts[number] for number in sorted(parts)]
            marker = page["NextPartNumberMarker"]

    async def complete(self, parts: Sequence[Part]) -> str | None:
        """Make an object of `parts`, which have to be just those that the store has.

        Returns:
            Its ETag, if the answer tells it.

        Raises:
            PathNotFound: the upload was aborted, or completed with other parts.
            DriverUnavailable: the store did not confirm, or has another part than this one.
        """
        try:
            async with self._connection.change(self.path) as client:
                answer = await client.complete_multipart_upload(
                    Bucket=self._connection.bucket,
                    Key=self._key,
                    UploadId=self.upload_id,
                    MultipartUpload={
                        "Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
                    },
                )
                return answer.get("ETag")
        except PathNotFound:
            # Its answer may have been lost the first time.
            if not await self._is_completed(parts):
                raise
            return None

    async def abort(self) -> None:
        """Discard all parts. An upload that is gone already is no error."""
        with CancelScope(shield=True):
            for _ in range(_ABORT_ATTEMPTS):
                async with self._connection.change(self.path) as client:
                    try:
                        await client.abort_multipart_upload(
                            Bucket=self._connection.bucket, Key=self._key, UploadId=self.upload_id
                        )
                    except ClientError as error:
                        if error_code(error) != "NoSuchUpload":
                            raise
                # A part that was still on its way may come after the first abort.
                if not self._in_doubt or not await self.exists():
                    return

    async def exists(self) -> bool:
        """Say whether the upload is neither completed nor aborted."""
        try:
            async with self._connection.call(self.path) as client:
                await client.list_parts(
                    Bucket=self._connection.bucket,
                    Key=self._key,
                    UploadId=self.upload_id,
                    MaxParts=1,
                )
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
            async with self._connection.call(self.path) as client:
                found = await client.head_object(Bucket=self._connection.bucket, Key=self._key)
        except PathNotFound:
            return False
        size = sum(part.size for part in parts)
        return found["ETag"] == expected and found["ContentLength"] == size


async def find_uploads(
    connection: S3Connection, path: str, prefix: str
) -> AsyncIterator[MultipartUpload]:
    """Yield the unfinished uploads of all keys with a prefix."""
    key_marker = upload_marker = ""
    while True:
        async with connection.call(path) as client:
            page = await client.list_multipart_uploads(
                Bucket=connection.bucket,
                Prefix=prefix,
                KeyMarker=key_marker,
                UploadIdMarker=upload_marker,
            )
        for found in page.get("Uploads", ()):
            yield MultipartUpload(
                connection,
                connection.keys.path(found["Key"]),
                found["UploadId"],
                found["Initiated"],
            )
        if not page.get("IsTruncated", False):
            return
        key_marker = page["NextKeyMarker"]
        upload_marker = page.get("NextUploadIdMarker", "")
