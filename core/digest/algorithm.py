"""The algorithms that a digest may name."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import DigestUnsupported

__all__ = ["SHA256", "SHA384", "SHA512", "Algorithm", "Hasher", "get_algorithm"]


class Hasher(Protocol):
    """A running hash, as `hashlib` makes them."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take in more content."""

    def hexdigest(self) -> str:
        """Return the hash of the content so far, in lower-case hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Algorithm:
    """One way to name content. Each exists once: compare with `is` or `==`.

    Attributes:
        name: as it stands before the colon of a digest.
        encoded: the form of what stands behind the colon.
        new_hasher: makes a running hash that has seen nothing.
    """

    name: str
    encoded: re.Pattern[str] = field(repr=False)
    new_hasher: Callable[[], Hasher] = field(repr=False)


def _sha2(name: str, encoded_length: int, new_hasher: Callable[[], Hasher]) -> Algorithm:
    return Algorithm(
        name=name,
        encoded=re.compile(rf"[0-9a-f]{{{encoded_length}}}"),
        new_hasher=new_hasher,
    )


SHA256 = _sha2("sha256", 64, hashlib.sha256)
SHA384 = _sha2("sha384", 96, hashlib.sha384)
SHA512 = _sha2("sha512", 128, hashlib.sha512)

_ALGORITHMS = {algorithm.name: algorithm for algorithm in (SHA256, SHA384, SHA512)}


def get_algorithm(name: str) -> Algorithm:
    """Return the algorithm of this name.

    Raises:
        DigestUnsupported: none has it.
    """
    try:
        return _ALGORITHMS[name]
    except KeyError:
        known = ", ".join(_ALGORITHMS)
        raise DigestUnsupported(name, f"unsupported digest algorithm; known are {known}") from None
