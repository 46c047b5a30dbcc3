"""What may be remembered of content: that a digest had so many bytes, which never changes.

That content is there is another matter, which only the store knows. So nothing is acknowledged
on the word of a cache: see docs/decisions/0008-descriptor-cache.md.
"""

from typing import Protocol

from core.digest import Digest

__all__ = ["NO_DESCRIPTORS", "DescriptorCache", "NoDescriptorCache"]


class DescriptorCache(Protocol):
    """Sizes by digest, shared by the nodes of one store. It never fails: it knows, or it does not.

    An entry may vanish at any time, and no entry outlives the time to live of the cache.
    """

    async def find_size(self, digest: Digest) -> int | None:
        """Return how many bytes the content of `digest` had, at least one, or None."""

    async def remember(self, digest: Digest, size: int) -> None:
        """Enter the size of content that was just found in the store; best effort."""

    async def forget(self, digest: Digest) -> None:
        """Drop the entry of content that was found missing or of another size; best effort."""

    async def aclose(self) -> None:
        """Let go of all connections."""


class NoDescriptorCache(DescriptorCache):
    """Remembers nothing, so that the store is asked each time."""

    async def find_size(self, digest: Digest) -> int | None:
        """Return None."""
        return None

    async def remember(self, digest: Digest, size: int) -> None:
        """Do nothing."""

    async def forget(self, digest: Digest) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""


NO_DESCRIPTORS = NoDescriptorCache()
