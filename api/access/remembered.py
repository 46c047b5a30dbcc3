"""`Remembered`: who has proven who they are a moment ago, found again without proof."""

import hashlib
import os
import time

from core.access import Principal

__all__ = ["Remembered"]

_MAX_COUNT = 10_000
_MAX_BYTES = 16 * 1024 * 1024
_BYTES_OF_ONE = 1024
"""What an entry takes besides the texts that came with the credentials, at most."""

_BYTES_OF_PART = 512
"""The same of each resource, group and claim."""

_BYTES_OF_ACTION = 64


class Remembered:
    """Principals by their credentials, each until its `valid_until`.

    No credential is kept: the key of an entry is a hash under a key that this process has made up,
    which tells nothing to anybody who reads its memory. Of too many, the oldest are forgotten.
    """

    def __init__(self, max_count: int = _MAX_COUNT, max_bytes: int = _MAX_BYTES) -> None:
        """Remember so many at most, that take so much memory."""
        self._key = os.urandom(32)
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: dict[bytes, tuple[Principal, int]] = {}

    def find(self, credentials: bytes) -> Principal | None:
        """Return who has shown these credentials, or None if that has to be found out."""
        entry = self._entries.get(self._hash(credentials))
        if entry is None or entry[0].valid_until <= time.time():
            return None
        return entry[0]

    def keep(self, credentials: bytes, principal: Principal) -> None:
        """Remember who has shown these credentials."""
        size = len(credentials) + _size_of(principal)
        if principal.valid_until <= time.time() or size > self._max_bytes:
            return
        key = self._hash(credentials)
        self._drop(key)
        self._entries[key] = principal, size
        self._bytes += size
        while len(self._entries) > self._max_count or self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget everybody."""
        self._entries.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[1]

    def _hash(self, credentials: bytes) -> bytes:
        return hashlib.blake2b(credentials, digest_size=32, key=self._key).digest()


def _size_of(principal: Principal) -> int:
    """Return what is kept of someone, in bytes: of short texts, many times their length."""
    scope = principal.scope or ()
    parts = len(scope) + len(principal.groups) + len(principal.claims)
    actions = sum(len(access.actions) for access in scope)
    return _BYTES_OF_ONE + parts * _BYTES_OF_PART + actions * _BYTES_OF_ACTION
