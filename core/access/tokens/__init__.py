"""Tokens: signed statements of who asks and what for, of this registry and of others."""

from core.access.tokens.certificates import RootCertificates
from core.access.tokens.claims import parse_access
from core.access.tokens.key_sources import JoinedKeys, KeyFile, KeySource
from core.access.tokens.keys import (
    ALGORITHMS,
    PublicKey,
    VerificationKey,
    libtrust_fingerprint,
    parse_key_set,
)
from core.access.tokens.verifying import TokenVerifier, VerifiedToken

__all__ = [
    "ALGORITHMS",
    "JoinedKeys",
    "KeyFile",
    "KeySource",
    "PublicKey",
    "RootCertificates",
    "TokenVerifier",
    "VerificationKey",
    "VerifiedToken",
    "libtrust_fingerprint",
    "parse_access",
    "parse_key_set",
]
