"""Content to push that is never held in memory, and whose digest costs next to nothing."""

import functools
import hashlib
import os
import random
from dataclasses import dataclass
from typing import Self

__all__ = ["MIB", "Content"]

MIB = 1024 * 1024
_TAIL_BYTES = 16
_BLOCK = memoryview(random.Random(2).randbytes(MIB))  # noqa: S311 - filling, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One block again and again, and an end of its own that makes it unlike any other.

    Attributes:
        size: in bytes, more than those of the end.
        tail: the end.
        digest: of the whole.
    """

    size: int
    tail: bytes
    digest: str

    @classmethod
    def make(cls, size: int) -> Self:
        """Return content of `size` bytes that nobody has seen; the first of a size is hashed."""
        tail = os.urandom(_TAIL_BYTES)
        hasher = _hash_start(size - _TAIL_BYTES).copy()
        hasher.update(tail)
        return cls(size=size, tail=tail, digest=f"sha256:{hasher.hexdigest()}")

    def piece(self, offset: int) -> memoryview:
        """Return what comes at `offset`, at most a block of it; empty at the end."""
        body = self.size - _TAIL_BYTES
        if offset >= body:
            return memoryview(self.tail)[offset - body :]
        start = offset % MIB
        return _BLOCK[start : start + min(MIB - start, body - offset)]

    def read(self) -> bytes:
        """Return all of it; for content of a few kilobytes."""
        whole = bytearray()
        while len(whole) < self.size:
            whole += self.piece(len(whole))
        return bytes(whole)


@functools.cache
def _hash_start(size: int) -> "hashlib._Hash":
    hasher = hashlib.sha256()
    left = size
    while left:
        step = min(left, MIB)
        hasher.update(_BLOCK[:step])
        left -= step
    return hasher
