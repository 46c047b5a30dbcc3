"""Digests: values, running hashes, and streams that are verified while they are read."""

from core.digest.algorithm import ALGORITHMS, SHA256, SHA384, SHA512, Algorithm, get_algorithm
from core.digest.digest import EMPTY_DIGESTS, EMPTY_TAR_DIGESTS, Digest
from core.digest.digester import Digester
from core.digest.verified import verified

__all__ = [
    "ALGORITHMS",
    "EMPTY_DIGESTS",
    "EMPTY_TAR_DIGESTS",
    "SHA256",
    "SHA384",
    "SHA512",
    "Algorithm",
    "Digest",
    "Digester",
    "get_algorithm",
    "verified",
]
