"""The algorithms that a digest may name."""

import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from core.digest.tarsum import TarsumHasher, TarsumVersion
from core.errors import DigestUnsupported

__all__ = [
    "ALGORITHMS",
    "SHA256",
    "SHA384",
    "SHA512",
    "Algorithm",
    "Hasher",
    "get_algorithm",
]

_TARSUM_HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
"""Those that the library of the time was used with."""

_TARSUM_DEVELOPMENT = "tarsum.dev"


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
        new_hasher: makes a running hash that has seen nothing. What a tarsum cannot be had of, it
            tells when it is asked for the hash, by `ArchiveInvalid` or `ArchiveTruncated`.
        directory: its name in the paths of a store, as `docker/distribution` has it.
        names_bytes: whether content with the same digest is the same byte for byte. A tarsum names
            what is in an archive, which can be written in many ways.
    """

    name: str
    encoded: re.Pattern[str] = field(repr=False)
    new_hasher: Callable[[], Hasher] = field(repr=False)
    directory: str = field(repr=False)
    names_bytes: bool = field(default=True, repr=False)


def _sha2(name: str, encoded_length: int, new_hasher: Callable[[], Hasher]) -> Algorithm:
    return Algorithm(
        name=name,
        encoded=re.compile(rf"[0-9a-f]{{{encoded_length}}}"),
        new_hasher=new_hasher,
        directory=name,
    )


def _tarsum(version: TarsumVersion, hash_name: str) -> Algorithm:
    new_hash = functools.partial(hashlib.new, hash_name, usedforsecurity=False)
    label = version.value.partition(".")[2] or "v0"
    return Algorithm(
        name=f"{version.value}+{hash_name}",
        encoded=re.compile(rf"[0-9a-f]{{{2 * new_hash().digest_size}}}"),
        new_hasher=functools.partial(TarsumHasher, version, new_hash),
        directory=f"tarsum/{label}/{hash_name}",
        names_bytes=False,
    )


SHA256 = _sha2("sha256", 64, hashlib.sha256)
SHA384 = _sha2("sha384", 96, hashlib.sha384)
SHA512 = _sha2("sha512", 128, hashlib.sha512)

ALGORITHMS: Mapping[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        *(SHA256, SHA384, SHA512),
        *(_tarsum(version, name) for version in TarsumVersion for name in _TARSUM_HASHES),
    )
}
"""All that are known here, by name."""


def get_algorithm(name: str) -> Algorithm:
    """Return the algorithm of this name.

    Raises:
        DigestUnsupported: none has it.
    """
    try:
        return ALGORITHMS[name]
    except KeyError:
        if name.partition("+")[0] == _TARSUM_DEVELOPMENT:
            reason = "tarsum.dev was for development, and nothing is stored by it; use tarsum.v1"
        else:
            known = ", ".join(ALGORITHMS)
            reason = f"unsupported digest algorithm; known are {known}"
        raise DigestUnsupported(name, reason) from None
