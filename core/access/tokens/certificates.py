"""Certificates that vouch for keys: the roots that are trusted, and chains that lead to them."""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurve,
    EllipticCurvePublicKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from core.access.tokens.keys import VerificationKey, libtrust_fingerprint
from core.access.tokens.watched_file import WatchedFile

__all__ = ["MAX_CHAIN", "UNREADABLE", "RootCertificates", "key_of"]

MAX_CHAIN = 5
"""Most certificates in one `x5c`."""

_MAX_REASON_CHARACTERS = 200
_MAX_FILE_BYTES = 4 * 1024 * 1024

UNREADABLE = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType),
)
"""What cryptography raises of certificates that are none, some of it not before they are used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Roots:
    certificates: tuple[x509.Certificate, ...]
    keys: Mapping[str, Sequence[VerificationKey]]


class RootCertificates:
    """A file of certificates in PEM: each is trusted as a key, and to vouch for others.

    It is read again within a second of its change. As a source of keys it knows each certificate
    by three names: by RFC 7638, by libtrust, as docker-registry up to
    2.8 has it, and by what distribution 3.0 made of the first for elliptic curves.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Read nothing yet.

        Args:
            path: of the file.
            clock: in seconds since the epoch; certificates are valid for a time.
        """
        self._clock = clock
        self._file = WatchedFile(path, _parse_roots, max_bytes=_MAX_FILE_BYTES)

    @property
    def generation(self) -> int:
        """How often the certificates in force have changed."""
        return self._file.generation

    async def load(self) -> None:
        """Read the file.

        Raises:
            ValueError: it cannot be read, or has no certificate whose key is of use.
        """
        await self._file.load()

    async def find(self, kid: str) -> Sequence[VerificationKey]:
        """Return the keys of the certificates of this name.

        Raises:
            AccessUnavailable: there has never been a file that could be used.
        """
        return (await self._file.get()).keys.get(kid, ())

    async def verify_chain(self, x5c: Sequence[str]) -> VerificationKey:
        """Return the key of the first certificate of an `x5c`, for which a root vouches.

        As in the incumbent, it may be for any purpose, and a root may sign tokens itself.
        Every certificate on the way must be valid now, and each that signs another be allowed to.
        Spec: RFC 7515, section 4.1.6; RFC 5280, section 6.1.

        Raises:
            ValueError: no root vouches for it, or it is no chain of certificates.
            AccessUnavailable: there has never been a file that could be used.
        """
        roots = await self._file.get()
        leaf, *others = _parse_x5c(x5c)
        now = datetime.fromtimestamp(self._clock(), UTC)
        if leaf in roots.certificates:
            # Self-signed certificates of token servers seldom say that they are an authority.
            if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
                raise ValueError("the certificate is not valid now")
        else:
            verifier = (
                PolicyBuilder()
                .store(Store(list(roots.certificates)))
                .time(now)
                .max_chain_depth(MAX_CHAIN)
                .extension_policies(ca_policy=_AUTHORITY, ee_policy=_ANY_PURPOSE)
                .build_client_verifier()
            )
            try:
                verifier.verify(leaf, others)
            except UNREADABLE:
                raise ValueError("not a chain of certificates") from None
            except VerificationError as error:
                # The text quotes names from certificates, which may be as long as a token.
                reason = str(error)[:_MAX_REASON_CHARACTERS]
                raise ValueError(f"no root certificate vouches for it: {reason}") from None
        return key_of(leaf)

    async def aclose(self) -> None:
        """Do nothing: no file stays open."""


def key_of(certificate: x509.Certificate) -> VerificationKey:
    """Return the key of a certificate.

    Raises:
        ValueError: it is not of a kind that signs tokens.
    """
    try:
        public_key = certificate.public_key()
    except UNREADABLE:
        raise ValueError("the key of the certificate cannot be read") from None
    if not isinstance(
        public_key, EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey | Ed448PublicKey
    ):
        raise ValueError("the certificate has a key that signs nothing")  # noqa: TRY004 - content
    return VerificationKey.of(public_key)


def _parse_roots(content: bytes) -> _Roots:
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError:
        raise ValueError("no certificates in PEM") from None
    keys: dict[str, list[VerificationKey]] = {}
    for certificate in certificates:
        key = key_of(certificate)
        for name in _names_of(certificate, key):
            keys.setdefault(name, []).append(key)
    return _Roots(certificates=tuple(certificates), keys=keys)


def _names_of(certificate: x509.Certificate, key: VerificationKey) -> list[str]:
    public_key = certificate.public_key()
    names = [key.thumbprint()]
    if isinstance(public_key, RSAPublicKey | EllipticCurvePublicKey):
        names.append(libtrust_fingerprint(public_key))
    if isinstance(public_key, EllipticCurvePublicKey):
        names.append(_curve_thumbprint(public_key.curve))
    return names


def _curve_thumbprint(curve: EllipticCurve) -> str:
    """Return what distribution 3.0, and token servers that copied it, name a key.

    They print the base point of the curve where the thumbprint has the point of the key, so that
    all keys on a curve have one name. It is only a name: each key that has it is tried.
    """
    base_point = derive_private_key(1, curve).public_key()
    return VerificationKey.of(base_point).thumbprint()


def _parse_x5c(x5c: Sequence[str]) -> list[x509.Certificate]:
    if not 0 < len(x5c) <= MAX_CHAIN:
        raise ValueError(f"a chain has from one to {MAX_CHAIN} certificates")
    try:
        return [
            x509.load_der_x509_certificate(base64.b64decode(text, validate=True)) for text in x5c
        ]
    except UNREADABLE:
        raise ValueError("not a chain of certificates") from None


def _check_usage(
    policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage | None
) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("a certificate that signs another is not for that")


# That such a certificate is of an authority is checked whatever the policy.
_AUTHORITY: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _check_usage)
)
_ANY_PURPOSE: Final = ExtensionPolicy.permit_all()
