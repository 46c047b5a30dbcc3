"""`UploadOwners`: whose an upload is, told by its id alone.

The id of an upload that someone in particular has begun is a UUID of version 8, half of it random
and half a code of authentication over that half, the owner and the repository. So nothing has to be
stored beside the upload, any node that knows the secret can tell, and nobody else can make one.

Spec: RFC 9562, section 5.8.
"""

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Awaitable, Callable

from core.access.principal import Principal

__all__ = ["UploadOwners"]

_VERSION = 8
_RANDOM_BYTES = 8
_CODE_BITS = 58


class UploadOwners:
    """Makes ids of uploads, and tells whose they are."""

    def __init__(self, find_secret: Callable[[], Awaitable[bytes]]) -> None:
        """Use a secret that all nodes of a registry share, which is asked for when it is needed."""
        self._find_secret = find_secret

    async def make(self, owner: Principal, repository: str) -> str:
        """Return a new id of an upload that `owner` begins.

        Raises:
            AccessUnavailable, DriverError: the secret cannot be had.
        """
        nonce = int.from_bytes(secrets.token_bytes(_RANDOM_BYTES), "big")
        return _make_id(await self._find_key(), nonce, owner, repository)

    async def is_of(self, upload_id: str, asker: Principal, repository: str) -> bool:
        """Say whether the upload may be gone on with by `asker`.

        Ids of other versions are those of uploads that nobody in particular has begun: while
        access was open, or through another registry on the same store. Texts that are no ids
        are nobody's either.

        Raises:
            AccessUnavailable, DriverError: the secret cannot be had.
        """
        try:
            found = uuid.UUID(upload_id)
        except ValueError:
            return True
        if found.version != _VERSION or str(found) != upload_id:
            return True
        value = found.int
        nonce = ((value >> 80) << 16) | (((value >> 64) & 0xFFF) << 4) | ((value >> 58) & 0xF)
        expected = _make_id(await self._find_key(), nonce, asker, repository)
        return hmac.compare_digest(expected, upload_id)

    async def _find_key(self) -> bytes:
        return hashlib.blake2b(await self._find_secret(), person=b"moorage-uploads").digest()


def _make_id(key: bytes, nonce: int, owner: Principal, repository: str) -> str:
    """Return a UUID: 48 random bits, the version, 12 more, the variant, 4 more, the code."""
    text = f"{nonce}\n{owner.subject}\n{repository}".encode()
    digest = hashlib.blake2b(text, key=key, digest_size=8).digest()
    code = int.from_bytes(digest, "big") >> (64 - _CODE_BITS)
    high = (nonce >> 16) << 16 | _VERSION << 12 | ((nonce >> 4) & 0xFFF)
    low = 0b10 << 62 | (nonce & 0xF) << _CODE_BITS | code
    return str(uuid.UUID(int=high << 64 | low))
