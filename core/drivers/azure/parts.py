"""In what parts content is sent to Azure, and what lets the service verify each of them."""

import hashlib
from dataclasses import dataclass

from anyio import to_thread

__all__ = ["Parts", "md5_of"]

_INLINE_BYTES = 64 * 1024
"""Digesting less is quicker than going to a thread for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The sizes of requests.

    Attributes:
        size: of each part but the last, in bytes.
        concurrency: how many parts of one writer are on their way at once.
    """

    size: int
    concurrency: int


async def md5_of(content: bytes) -> bytes:
    """Return what the service compares with the bytes that reached it."""
    if len(content) <= _INLINE_BYTES:
        return _md5(content)
    return await to_thread.run_sync(_md5, content)


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()
