"""The claims of paths, as objects beside them."""

import uuid

from core.drivers.claims import ClaimStore, FoundClaim, LeftClaims
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.faults import S3Refusal
from core.drivers.s3.keys import CLAIM
from core.drivers.s3.part_body import PartBody
from core.errors import PathNotFound

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
            async with self._connection.call(path) as bucket:
                found = await bucket.head(self._key(path))
        except PathNotFound:
            return None
        age = found.asked_at - found.modified_at
        return FoundClaim(version=found.etag, age_seconds=age.total_seconds())

    async def delete_claim(self, path: str, version: str) -> None:
        if not self._conditional:
            found = await self.find_claim(path)
            if found is None or found.version != version:
                return
        async with self._connection.change(path) as bucket:
            try:
                await bucket.delete(self._key(path), version if self._conditional else "")
            except S3Refusal as refusal:
                if not refusal.is_outdated and not refusal.is_missing:
                    raise

    async def _write(self, path: str, owner: bytes, version: str | None) -> str | None:
        content = owner + b" " + uuid.uuid4().hex.encode("ascii")
        try:
            written = await self._put(path, content, version)
        except S3Refusal:
            # An earlier answer may have been lost, and this try have met its own object.
            return await self._version_of(path, owner)
        except PathNotFound:
            # What was to be replaced is gone.
            return None
        return written if self._conditional else await self._version_of(path, owner)

    async def _put(self, path: str, content: bytes, version: str | None) -> str:
        """Write the claim and return its version.

        Raises:
            S3Refusal: the store has another version of it.
        """
        headers = dict(self._connection.short_storage)
        if self._conditional and version is None:
            headers["if-none-match"] = "*"
        elif self._conditional and version is not None:
            headers["if-match"] = version
        outdated: S3Refusal
        async with self._connection.change(path) as bucket:
            try:
                return await bucket.put(self._key(path), PartBody(content), headers)
            except S3Refusal as refusal:
                if not refusal.is_outdated:
                    raise
                outdated = refusal
        raise outdated

    async def _version_of(self, path: str, owner: bytes) -> str | None:
        """Return the version of the claim if it is that of this owner."""
        try:
            async with (
                self._connection.call(path) as bucket,
                await bucket.open(self._key(path)) as found,
            ):
                stored = await found.read_all()
        except PathNotFound:
            return None
        return found.headers["etag"] if stored.startswith(owner) else None

    def _key(self, path: str) -> str:
        return self._connection.keys.key(path) + CLAIM
