"""Manifests that were read a moment ago, by the digest of their bytes, which never change.

What a cache holds was verified when it was read. Whether a repository has a manifest is not its
business: that is asked of the store each time.
"""

from dataclasses import dataclass

from cachetools import LRUCache

from core.digest import Digest

__all__ = ["ManifestCache", "StoredManifest"]

_OVERHEAD_BYTES = 512
"""What an entry takes besides its payload, about."""

_MAX_SHARE = 8
"""No manifest takes more than this part of the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredManifest:
    """A manifest as it is served.

    Attributes:
        payload: the bytes that were pushed.
        media_type: the type they were pushed with.
        digest: under which the repository has them.
    """

    payload: bytes
    media_type: str
    digest: Digest


class ManifestCache:
    """The manifests that were read last, within a budget of memory."""

    def __init__(self, max_bytes: int) -> None:
        """Keep about `max_bytes`; 0 keeps nothing."""
        self._max_bytes = max_bytes
        self._entries: LRUCache[Digest, StoredManifest] = LRUCache(max_bytes, getsizeof=_size_of)

    def find(self, digest: Digest) -> StoredManifest | None:
        """Return the manifest whose bytes have this digest, if it is kept."""
        return self._entries.get(digest)

    def keep(self, manifest: StoredManifest) -> None:
        """Keep a manifest, whose bytes are known to be those of its digest."""
        if _size_of(manifest) * _MAX_SHARE <= self._max_bytes:
            self._entries[manifest.digest] = manifest


def _size_of(manifest: StoredManifest) -> int:
    return len(manifest.payload) + _OVERHEAD_BYTES
