"""Claims of paths as small objects, which one can create and only their version can replace."""

from core.drivers.claims import FoundClaim, LeftClaims
from core.drivers.gcs.bucket import ABSENT, Bucket
from core.drivers.gcs.keys import Keys, claim_key

__all__ = ["GCSClaimStore"]


class GCSClaimStore:
    """A `ClaimStore` whose versions are the generations of objects."""

    def __init__(self, bucket: Bucket, keys: Keys) -> None:
        self.left = LeftClaims()
        self._bucket = bucket
        self._keys = keys

    async def create_claim(self, path: str, owner: bytes) -> str | None:
        return await self.replace_claim(path, owner, ABSENT)

    async def replace_claim(self, path: str, owner: bytes, version: str) -> str | None:
        stored = await self._bucket.insert(self._key(path), owner, generation=version)
        return None if stored is None else stored.generation

    async def find_claim(self, path: str) -> FoundClaim | None:
        found = await self._bucket.find_with_age(self._key(path))
        if found is None:
            return None
        return FoundClaim(version=found[0].generation, age_seconds=found[1])

    async def delete_claim(self, path: str, version: str) -> None:
        await self._bucket.delete(self._key(path), version)

    def _key(self, path: str) -> str:
        return claim_key(self._keys.file(path))
