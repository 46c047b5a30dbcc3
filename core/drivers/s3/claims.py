"""The claims of paths, as objects beside them."""

import uuid
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from core.drivers.claims import ClaimStore, FoundClaim, LeftClaims
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.faults import is_outdated
from core.drivers.s3.keys import CLAIM
from core.errors import PathNotFound

if TYPE_CHECKING:
    from types_aiobotocore_s3.type_defs import ResponseMetadataTypeDef

__all__ = ["S3Claims"]


class S3Claims(ClaimStore):
    """Objects that are written only if the store has what the writer believes it has.

    Their version is their ETag. Each write has a content of its own, so that no version comes
    again. It begins with the owner, so that a writer whose answer was lost can tell that the object
    is its own. Where the store has no conditional writes, a claim is written and read back, which
    keeps out all but those who do it in the same moment.
    """

    def __init__(self, connection: S3Connection) -> None:
        self.left = LeftClaims()
        self._connection = connection
        self._conditional = connection.options.conditional_writes

    async def create_claim(self, path: str, owner: bytes) -> str | None:
        if not self._conditional and await self.find_claim(path) is not None:
            return await self._version_of(path, owner)
        return await self._write(path, owner, None)

    async def replace_claim(self, path: str, owner: bytes, version: str) -> str | None:
        if not self._conditional:
            found = await self.find_claim(path)
            if found is None or found.version != version:
                return await self._version_of(path, owner)
        return await self._write(path, owner, version)

    async def find_claim(self, path: str) -> FoundClaim | None:
        try:
            async with self._connection.call(path) as client:
                found = await client.head_object(
                    Bucket=self._connection.bucket, Key=self._key(path)
                )
        except PathNotFound:
            return None
        age = _date(found["ResponseMetadata"]) - found["LastModified"]
        return FoundClaim(version=found["ETag"], age_seconds=age.total_seconds())

    async def delete_claim(self, path: str, version: str) -> None:
        bucket, key = self._connection.bucket, self._key(path)
        if not self._conditional:
            found = await self.find_claim(path)
            if found is None or found.version != version:
                return
        async with self._connection.change(path) as client:
            if not self._conditional:
                await client.delete_object(Bucket=bucket, Key=key)
                return
            try:
                await client.delete_object(Bucket=bucket, Key=key, IfMatch=version)
            except ClientError as error:
                if not is_outdated(error) and error.response["Error"]["Code"] != "NoSuchKey":
                    raise

    async def _write(self, path: str, owner: bytes, version: str | None) -> str | None:
        content = owner + b" " + uuid.uuid4().hex.encode("ascii")
        try:
            written = await self._put(path, content, version)
        except ClientError:
            # An earlier answer may have been lost, and this try have met its own object.
            return await self._version_of(path, owner)
        except PathNotFound:
            # What was to be replaced is gone.
            return None
        return written if self._conditional else await self._version_of(path, owner)

    async def _put(self, path: str, content: bytes, version: str | None) -> str:
        """Write the claim and return its version.

        Raises:
            ClientError: the store has another version of it.
        """
        bucket, key = self._connection.bucket, self._key(path)
        storage = self._connection.short_storage
        outdated: ClientError
        async with self._connection.change(path) as client:
            try:
                if not self._conditional:
                    answer = await client.put_object(
                        Bucket=bucket, Key=key, Body=content, **storage
                    )
                elif version is None:
                    answer = await client.put_object(
                        Bucket=bucket, Key=key, Body=content, IfNoneMatch="*", **storage
                    )
                else:
                    answer = await client.put_object(
                        Bucket=bucket, Key=key, Body=content, IfMatch=version, **storage
                    )
                return answer["ETag"]
            except ClientError as error:
                if not is_outdated(error):
                    raise
                outdated = error
        raise outdated

    async def _version_of(self, path: str, owner: bytes) -> str | None:
        """Return the version of the claim if it is that of this owner."""
        try:
            async with self._connection.call(path) as client:
                found = await client.get_object(Bucket=self._connection.bucket, Key=self._key(path))
                stored = await found["Body"].read()
        except PathNotFound:
            return None
        return found["ETag"] if stored.startswith(owner) else None

    def _key(self, path: str) -> str:
        return self._connection.keys.key(path) + CLAIM


def _date(metadata: "ResponseMetadataTypeDef") -> datetime:
    """Return the time of an answer by the clock of the store."""
    date = metadata["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)
