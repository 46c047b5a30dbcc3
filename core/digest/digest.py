"""`Digest`: the name of content, parsed once at the edge and whole from then on."""

import functools
from dataclasses import dataclass
from typing import Self

from core.digest.algorithm import SHA256, SHA384, SHA512, Algorithm, get_algorithm
from core.errors import DigestInvalid, DigestUnsupported

__all__ = ["EMPTY_DIGESTS", "EMPTY_TAR_DIGESTS", "Digest"]

_MAX_PARSED = 4096
"""Digests of texts, so that those in use are not parsed again."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest that has been through the parser: its algorithm is known, its length is right.

    Spec: OCI image-spec, "Digests": `algorithm ":" encoded`. Tarsums, which name layers of old
    images, are written so too: `tarsum.v1+sha256` is an algorithm.
    """

    algorithm: Algorithm
    encoded: str

    @staticmethod
    def parse(text: str) -> "Digest":
        """Return the digest that `text` spells.

        Raises:
            DigestInvalid: `text` is not an algorithm, a colon and an encoded part, or the
                encoded part has not the length and alphabet of its algorithm.
            DigestUnsupported: the algorithm is unknown.
        """
        return _parse(text)

    @classmethod
    def of(cls, content: bytes, algorithm: Algorithm = SHA256) -> Self:
        """Return the digest of `content`, which is held in memory whole.

        Raises:
            ArchiveInvalid, ArchiveTruncated: it would be a tarsum, and `content` has none.
        """
        hasher = algorithm.new_hasher()
        hasher.update(content)
        return cls(algorithm, hasher.hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm.name}:{self.encoded}"


@functools.lru_cache(_MAX_PARSED)
def _parse(text: str) -> Digest:
    name, colon, encoded = text.partition(":")
    if not (name and colon and encoded):
        raise DigestInvalid(text, "a digest is an algorithm, a colon and its encoded value")
    try:
        algorithm = get_algorithm(name)
    except DigestUnsupported as error:
        raise DigestUnsupported(text, error.message) from None
    if algorithm.encoded.fullmatch(encoded) is None:
        raise DigestInvalid(
            text, f"the encoded part of a {name} digest matches {algorithm.encoded.pattern}"
        )
    return Digest(algorithm, encoded)


def _digests_of(content: bytes) -> frozenset[Digest]:
    return frozenset(Digest.of(content, algorithm) for algorithm in (SHA256, SHA384, SHA512))


EMPTY_DIGESTS = _digests_of(b"")
"""The digests of no bytes at all."""

EMPTY_TAR_DIGESTS = _digests_of(bytes(1024))
"""The digests of an archive with nothing in it: two blocks of zeros."""
