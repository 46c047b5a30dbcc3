"""The authority that vouches for signing keys, and the certificates that it signs.

A registry that trusts the authority verifies the tokens of every signing key by the certificate
that comes with each token, so it need not be told when keys change.
Spec: RFC 7515, section 4.1.6 (`x5c`); distribution, "Token Authentication", `rootcertbundle`.
"""

import base64
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

__all__ = ["BACKDATED", "CertifiedKey", "create_authority", "sign_certificate"]

BACKDATED = timedelta(hours=1)
"""How long before it is made a certificate is valid: the clocks of nodes differ."""

_AUTHORITY_LIFETIME = timedelta(days=20 * 365)
_END_OF_KEY = b"-----END PRIVATE KEY-----\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedKey:
    """A key on the curve P-256, and a certificate of its public half."""

    private_key: EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate

    @classmethod
    def parse(cls, pem: bytes) -> Self:
        """Read what `to_pem` has written.

        Raises:
            ValueError: this is something else, or the two do not belong together.
        """
        key, end, certificate = pem.partition(_END_OF_KEY)
        private_key = load_pem_private_key(key + end, password=None)
        if not isinstance(private_key, EllipticCurvePrivateKey):
            raise ValueError("the key is not one on a curve")  # noqa: TRY004 - it is content
        parsed = x509.load_pem_x509_certificate(certificate)
        if parsed.public_key() != private_key.public_key():
            raise ValueError("the certificate is of another key")
        return cls(private_key=private_key, certificate=parsed)

    def to_pem(self) -> bytes:
        """Return both in one text, the key first."""
        key = self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + self.certificate.public_bytes(Encoding.PEM)

    @property
    def x5c(self) -> str:
        """The certificate as the header of a token has it."""
        return base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode("ascii")

    @property
    def made_at(self) -> float:
        """When it was made, in seconds since the epoch."""
        return (self.certificate.not_valid_before_utc + BACKDATED).timestamp()

    @property
    def not_after(self) -> float:
        """When the certificate ends, in seconds since the epoch."""
        return self.certificate.not_valid_after_utc.timestamp()


def create_authority(now: float) -> CertifiedKey:
    """Return a new authority, which may sign certificates of keys and of nothing else."""
    private_key = generate_private_key(SECP256R1())
    name = _name(f"Moorage token authority {secrets.token_hex(4)}")
    certificate = (
        _begin(name, now, _AUTHORITY_LIFETIME)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(private_key.public_key()), critical=False
        )
        .sign(private_key, SHA256())
    )
    return CertifiedKey(private_key=private_key, certificate=certificate)


def sign_certificate(authority: CertifiedKey, now: float, lifetime: timedelta) -> CertifiedKey:
    """Return a new key with a certificate of the authority, which ends no later than its own."""
    private_key = generate_private_key(SECP256R1())
    left = authority.certificate.not_valid_after_utc - datetime.fromtimestamp(now, UTC)
    certificate = (
        _begin(_name("Moorage token signing key"), now, min(lifetime, left))
        .issuer_name(authority.certificate.subject)
        .public_key(private_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.private_key.public_key()),
            critical=False,
        )
        .sign(authority.private_key, SHA256())
    )
    return CertifiedKey(private_key=private_key, certificate=certificate)


def _begin(name: x509.Name, now: float, lifetime: timedelta) -> x509.CertificateBuilder:
    made_at = datetime.fromtimestamp(int(now), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(made_at - BACKDATED)
        .not_valid_after(made_at + lifetime)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
