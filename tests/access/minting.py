"""Tokens for tests: good ones, and ones in which anything may be wrong."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, Unpack

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from core.access.tokens import VerificationKey

__all__ = [
    "AUDIENCE",
    "ISSUER",
    "NOW",
    "Authority",
    "Signer",
    "encode",
    "good_claims",
    "jwk_set",
    "mint",
    "pem",
    "x5c",
]

NOW = 1_800_000_000.0
"""When the tests take place, in seconds since the epoch."""

ISSUER = "https://auth.example.com"
AUDIENCE = "registry.example.com"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def _key_for(algorithm: str) -> PrivateKey:
    if algorithm.startswith("ES"):
        curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
        return ec.generate_private_key(curves[algorithm])
    if algorithm.startswith("Ed"):
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A private key, the algorithm it signs with, and its name."""

    algorithm: str = "ES256"
    kid: str = "key-1"
    private: PrivateKey = field(default_factory=lambda: _key_for("ES256"))

    @classmethod
    def of(cls, algorithm: str, kid: str = "key-1") -> "Signer":
        """Return one with a new key."""
        return cls(algorithm=algorithm, kid=kid, private=_key_for(algorithm))

    @property
    def key(self) -> VerificationKey:
        """What its signatures are verified with."""
        return VerificationKey.of(self.private.public_key())

    def jwk(self, **others: object) -> dict[str, object]:
        """Return its public key as a JWK."""
        return {**self.key.public.as_dict(private=False), "kid": self.kid, **others}

    def sign(self, content: bytes) -> bytes:
        """Return the signature of some bytes."""
        key: ECKey | RSAKey | OKPKey
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            key = ECKey.import_key(self.private)
        elif isinstance(self.private, rsa.RSAPrivateKey):
            key = RSAKey.import_key(self.private)
        else:
            key = OKPKey.import_key(self.private)
        return JWSRegistry.algorithms[self.algorithm].sign(content, key)


def encode(content: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def good_claims(**others: object) -> dict[str, object]:
    """Return the claims of a token that is good now, but for what is said otherwise.

    A claim of None is left out.
    """
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ann",
        "iat": int(NOW),
        "nbf": int(NOW),
        "exp": int(NOW) + 300,
        "access": [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}],
        **others,
    }
    return {name: value for name, value in claims.items() if value is not None}


def mint(
    signer: Signer,
    claims: Mapping[str, object] | bytes | None = None,
    header: Mapping[str, object] | bytes | None = None,
) -> str:
    """Return a token; bytes stand for a part that is written as it is."""
    head: Any = {"typ": "JWT", "alg": signer.algorithm, "kid": signer.kid}
    if header is not None:
        head = header if isinstance(header, bytes) else {**head, **header}
    parts = [
        encode(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (head, good_claims() if claims is None else claims)
    ]
    signed = ".".join(parts)
    return f"{signed}.{encode(signer.sign(signed.encode('ascii')))}"


def jwk_set(*keys: Mapping[str, object]) -> bytes:
    """Return the JWK Set of some keys."""
    return json.dumps({"keys": list(keys)}).encode()


class Terms(TypedDict, total=False):
    """What a certificate says besides whose it is; days count from now."""

    ca: bool
    days: tuple[int, int]
    cert_sign: bool
    constraints: bool
    now: float


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate with its private key, which signs others."""

    certificate: x509.Certificate
    private: CertificateIssuerPrivateKeyTypes

    @classmethod
    def root(cls, name: str = "root", **terms: Unpack[Terms]) -> "Authority":
        """Return one that signed itself."""
        private = ec.generate_private_key(ec.SECP256R1())
        return cls(
            certificate=_signed(name, private.public_key(), name, private, **terms),
            private=private,
        )

    def issue(
        self, name: str, public_key: CertificatePublicKeyTypes, **terms: Unpack[Terms]
    ) -> x509.Certificate:
        """Return the certificate of a key, signed by this authority."""
        issuer = self.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        return _signed(name, public_key, str(issuer), self.private, **terms)

    def below(self, name: str, **terms: Unpack[Terms]) -> "Authority":
        """Return an authority that this one signed."""
        terms.setdefault("ca", True)
        private = ec.generate_private_key(ec.SECP256R1())
        return Authority(
            certificate=self.issue(name, private.public_key(), **terms),
            private=private,
        )


def _signed(
    name: str,
    public_key: CertificatePublicKeyTypes,
    issuer: str,
    private: CertificateIssuerPrivateKeyTypes,
    *,
    ca: bool | None = None,
    days: tuple[int, int] = (-1, 1),
    cert_sign: bool | None = None,
    constraints: bool = True,
    now: float = NOW,
) -> x509.Certificate:
    today = datetime.fromtimestamp(now, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(today + timedelta(days=days[0]))
        .not_valid_after(today + timedelta(days=days[1]))
    )
    if ca is None:
        ca = name == issuer
    if constraints:
        basic = x509.BasicConstraints(ca=ca, path_length=None)
        builder = builder.add_extension(basic, critical=True)
    if cert_sign is not None:
        builder = builder.add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=cert_sign,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    return builder.sign(private, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def pem(*certificates: x509.Certificate) -> bytes:
    """Return certificates one after the other."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def x5c(*certificates: x509.Certificate) -> Sequence[str]:
    """Return certificates as a header has them."""
    return [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in certificates]
