"""`PublicKey`: what a JSON signature is verified with, and the name that its bytes give it."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509 import InvalidVersion, load_der_x509_certificate

from core.errors import ManifestUnverified
from core.manifest.schema1.base64url import decode_base64url

__all__ = ["CURVES", "RSA_HASHES", "Curve", "PublicKey", "fingerprint", "read_integer"]

_PUBLIC_NUMBERS = serialization.PublicFormat.SubjectPublicKeyInfo
_FINGERPRINT_BYTES = 30
_GROUP = 4

_MIN_MODULUS_BITS = 1024
_MAX_MODULUS_BITS = 8192
"""Verifying with such a key takes a millisecond; with a larger one it could take seconds."""

_MAX_EXPONENT = 2**32
_MAX_CERTIFICATE_CHARACTERS = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """An elliptic curve, and the one algorithm that its keys sign with.

    Attributes:
        name: as a JWK has it in `crv`.
        algorithm: as a signature has it in `alg`.
        size: bytes of a coordinate, and of each half of a signature.
        make: the curve itself.
        hash: of what is signed.
    """

    name: str
    algorithm: str
    size: int
    make: Callable[[], ec.EllipticCurve]
    hash: hashes.HashAlgorithm


CURVES: Mapping[str, Curve] = {
    curve.name: curve
    for curve in (
        Curve(name="P-256", algorithm="ES256", size=32, make=ec.SECP256R1, hash=hashes.SHA256()),
        Curve(name="P-384", algorithm="ES384", size=48, make=ec.SECP384R1, hash=hashes.SHA384()),
        Curve(name="P-521", algorithm="ES512", size=66, make=ec.SECP521R1, hash=hashes.SHA512()),
    )
}
"""By the name in a JWK. Spec: RFC 7518, section 3.4."""

RSA_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "RS256": hashes.SHA256(),
    "RS384": hashes.SHA384(),
    "RS512": hashes.SHA512(),
}
"""By the name in `alg`. Spec: RFC 7518, section 3.3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key of a curve above, or of RSA, known to be sound.

    Attributes:
        key_id: its fingerprint, as libtrust writes it.
        curve: on which it is; None for RSA.
    """

    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    key_id: str
    curve: Curve | None

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, object], field: str) -> "PublicKey":
        """Return the key that a JWK is.

        Raises:
            ManifestUnverified: it is none, it is a private key, or its `kid` is that of another.
        """
        if "d" in jwk:
            raise ManifestUnverified("a private key, where a public one belongs", field=field)
        match jwk.get("kty"):
            case "EC":
                found = cls.of(_read_ec(jwk, field), field)
            case "RSA":
                found = cls.of(_read_rsa(jwk, field), field)
            case _:
                raise ManifestUnverified("keys are of type EC or RSA", field=f"{field}.kty")
        if jwk.get("kid", found.key_id) != found.key_id:
            raise ManifestUnverified("this is not the fingerprint of the key", field=f"{field}.kid")
        return found

    @classmethod
    def from_certificate(cls, text: str, field: str) -> "PublicKey":
        """Return the key of a certificate, as an `x5c` has it. Dates and issuers do not count.

        Raises:
            ManifestUnverified: it is no certificate, or is one for a key of another kind.
        """
        if len(text) > _MAX_CERTIFICATE_CHARACTERS:
            raise ManifestUnverified("too long for a certificate", field=field)
        try:
            certificate = load_der_x509_certificate(base64.b64decode(text, validate=True))
            key = certificate.public_key()
        except (binascii.Error, ValueError, UnsupportedAlgorithm, InvalidVersion):
            raise ManifestUnverified("not a certificate in base64", field=field) from None
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise ManifestUnverified("keys are of type EC or RSA", field=field)
        return cls.of(key, field)

    @classmethod
    def of(cls, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, field: str) -> "PublicKey":
        """Return `key` with its fingerprint.

        Raises:
            ManifestUnverified: it is on an unknown curve, or is too small or too large.
        """
        curve = None
        if isinstance(key, ec.EllipticCurvePublicKey):
            curve = next(
                (one for one in CURVES.values() if one.make().name == key.curve.name), None
            )
            if curve is None:
                raise ManifestUnverified("unknown curve", field=field)
        elif not (
            _MIN_MODULUS_BITS <= key.key_size <= _MAX_MODULUS_BITS
            and key.public_numbers().e < _MAX_EXPONENT
        ):
            raise ManifestUnverified(
                f"keys of RSA have from {_MIN_MODULUS_BITS} to {_MAX_MODULUS_BITS} bits, and an "
                f"exponent below {_MAX_EXPONENT}",
                field=field,
            )
        return cls(key=key, key_id=fingerprint(key), curve=curve)

    def check(self, signed: bytes, signature: bytes, algorithm: str, field: str) -> None:
        """Return if `signature` is one of this key over `signed`.

        Raises:
            ManifestUnverified: it is not, or the algorithm is not one of this key.
        """
        if isinstance(self.key, rsa.RSAPublicKey):
            self._check_rsa(self.key, signed, signature, algorithm, field)
            return
        curve = self.curve
        assert curve is not None
        if algorithm != curve.algorithm:
            raise ManifestUnverified(
                f"keys of curve {curve.name} sign with {curve.algorithm}",
                field=f"{field}.header.alg",
            )
        if len(signature) != 2 * curve.size:
            raise ManifestUnverified(
                f"signatures of {algorithm} have {2 * curve.size} bytes", field=f"{field}.signature"
            )
        halves = signature[: curve.size], signature[curve.size :]
        encoded = encode_dss_signature(*(int.from_bytes(half) for half in halves))
        try:
            self.key.verify(encoded, signed, ec.ECDSA(curve.hash))
        except InvalidSignature:
            raise _not_of_this_key(field) from None

    @staticmethod
    def _check_rsa(
        key: rsa.RSAPublicKey, signed: bytes, signature: bytes, algorithm: str, field: str
    ) -> None:
        hashing = RSA_HASHES.get(algorithm)
        if hashing is None:
            raise ManifestUnverified(
                f"keys of RSA sign with {', '.join(RSA_HASHES)}", field=f"{field}.header.alg"
            )
        try:
            key.verify(signature, signed, padding.PKCS1v15(), hashing)
        except InvalidSignature:
            raise _not_of_this_key(field) from None


def fingerprint(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str:
    """Return the name of a key: 12 groups of 4 letters and digits, of a hash of its DER form."""
    der = key.public_bytes(serialization.Encoding.DER, _PUBLIC_NUMBERS)
    text = base64.b32encode(hashlib.sha256(der).digest()[:_FINGERPRINT_BYTES]).decode("ascii")
    return ":".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def read_integer(
    jwk: Mapping[str, object], name: str, field: str, *, size: int | None = None
) -> int:
    """Return the number that a member of a JWK spells; `size` is how many bytes it must have.

    Raises:
        ManifestUnverified: it is missing, is not base64url, or has another size.
    """
    field = f"{field}.{name}"
    text = jwk.get(name)
    if not isinstance(text, str):
        raise ManifestUnverified("a number in base64url belongs here", field=field)
    try:
        content = decode_base64url(text)
    except ValueError as error:
        raise ManifestUnverified(str(error), field=field) from None
    if size is not None and len(content) != size:
        raise ManifestUnverified(f"this number has {size} bytes", field=field)
    if len(content) > _MAX_MODULUS_BITS // 8 + 1:
        raise ManifestUnverified("the number is too large", field=field)
    return int.from_bytes(content)


def _read_ec(jwk: Mapping[str, object], field: str) -> ec.EllipticCurvePublicKey:
    name = jwk.get("crv")
    curve = CURVES.get(name) if isinstance(name, str) else None
    if curve is None:
        raise ManifestUnverified(f"curves are {', '.join(CURVES)}", field=f"{field}.crv")
    x, y = (read_integer(jwk, name, field, size=curve.size) for name in ("x", "y"))
    try:
        return ec.EllipticCurvePublicNumbers(x, y, curve.make()).public_key()
    except ValueError:
        raise ManifestUnverified("the point is not on its curve", field=field) from None


def _read_rsa(jwk: Mapping[str, object], field: str) -> rsa.RSAPublicKey:
    exponent, modulus = (read_integer(jwk, name, field) for name in ("e", "n"))
    try:
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        raise ManifestUnverified(f"not a key of RSA: {error}", field=field) from None


def _not_of_this_key(field: str) -> ManifestUnverified:
    return ManifestUnverified(
        "the signature is not one of its key over what is signed", field=f"{field}.signature"
    )
