"""Tokens: signed statements of who asks and what for, of this registry and of others."""

from core.access.tokens.certificates import RootCertificates
from core.access.tokens.claims import parse_access
from core.access.tokens.external import ExternalTokens, TokenServer
from core.access.tokens.federation import Federation, TrustedIssuer
from core.access.tokens.issuer_client import IssuerClient, check_address
from core.access.tokens.key_sources import JoinedKeys, KeyFile, KeySource
from core.access.tokens.keys import (
    ALGORITHMS,
    PublicKey,
    VerificationKey,
    libtrust_fingerprint,
    parse_key_set,
)
from core.access.tokens.remote_keys import RemoteKeys
from core.access.tokens.verifying import TokenVerifier, VerifiedToken
from core.access.tokens.workload_rules import WorkloadRule

__all__ = [
    "ALGORITHMS",
    "ExternalTokens",
    "Federation",
    "IssuerClient",
    "JoinedKeys",
    "KeyFile",
    "KeySource",
    "PublicKey",
    "RemoteKeys",
    "RootCertificates",
    "TokenServer",
    "TokenVerifier",
    "TrustedIssuer",
    "VerificationKey",
    "VerifiedToken",
    "WorkloadRule",
    "check_address",
    "libtrust_fingerprint",
    "parse_access",
    "parse_key_set",
]
