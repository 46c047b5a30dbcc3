"""Manifests that were read a moment ago, by the digest of their bytes, which never change.

What a cache holds was verified when it was read. Whether a repository has a manifest is not its
business: that is asked of the store each time.
"""

from collections import OrderedDict
from dataclasses import dataclass

from core.digest import Algorithm, Digest

__all__ = ["ManifestCache", "StoredManifest"]

_OVERHEAD_BYTES = 512
"""What an entry takes besides its payload, about."""

_MAX_SHARE = 8
"""No manifest takes more than this part of the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredManifest:
    """A manifest as it is served.

    Attributes:
        payload: the bytes that were pushed; in the cache, those of an image of schema 1 are without
            its signatures.
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
        self._used_bytes = 0
        # By the parts of a digest, whose own hash takes longer than all the rest; the last used
        # at the end.
        self._entries: OrderedDict[tuple[Algorithm, str], StoredManifest] = OrderedDict()

    def find(self, digest: Digest) -> StoredManifest | None:
        """Return the manifest whose bytes have this digest, if it is kept."""
        key = (digest.algorithm, digest.encoded)
        manifest = self._entries.get(key)
        if manifest is not None:
            self._entries.move_to_end(key)
        return manifest

    def keep(self, manifest: StoredManifest) -> None:
        """Keep a manifest, whose bytes are known to be those of its digest."""
        if _size_of(manifest) * _MAX_SHARE > self._max_bytes:
            return
        key = (manifest.digest.algorithm, manifest.digest.encoded)
        earlier = self._entries.pop(key, None)
        if earlier is not None:
            self._used_bytes -= _size_of(earlier)
        self._entries[key] = manifest
        self._used_bytes += _size_of(manifest)
        while self._used_bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._used_bytes -= _size_of(oldest)


def _size_of(manifest: StoredManifest) -> int:
    return len(manifest.payload) + _OVERHEAD_BYTES
