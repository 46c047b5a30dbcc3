"""`PrivateKey`: what the registry signs with where no signature was stored."""

import re
from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from core.errors import ManifestInvalid, ManifestUnverified
from core.manifest.schema1.base64url import encode_base64url
from core.manifest.schema1.go_json import encode_json
from core.manifest.schema1.keys import RSA_HASHES, PublicKey, read_integer
from core.manifest.schema1.signatures import Signature, signing_input
from core.manifest.schema1.signed_json import find_cut
from core.manifest.strict_json import parse_strictly

__all__ = ["PrivateKey"]

_RSA_ALGORITHM = "RS256"
_PEM_HEADERS = re.compile(rb"^[A-Za-z-]+: .*\r?\n", re.MULTILINE)

_TIME = "1970-01-01T00:00:00Z"
"""Nobody reads the time of a signature back. One that does not change gives bytes that do not."""


class PrivateKey:
    """A key that signs a payload with the same bytes each time."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        """Sign with `key`.

        Raises:
            ValueError: it is on an unknown curve, or is too small or too large.
        """
        self._key = key
        public = key.public_key()
        try:
            self.public = PublicKey.of(public, "key")
        except ManifestUnverified as error:
            raise ValueError(error.message) from None
        self._jwk = _to_jwk(public, self.public)

    @classmethod
    def generate(cls) -> "PrivateKey":
        """Return a new key of curve P-256."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, content: bytes) -> "PrivateKey":
        """Return the key in a file: a JWK, or PEM, as libtrust and others write them.

        Raises:
            ValueError: it is no private key of EC or RSA, or it is encrypted.
        """
        if content.lstrip().startswith(b"{"):
            return cls(_from_jwk(content))
        try:
            # What libtrust says of the key in the head of the PEM is not understood, nor needed.
            key = serialization.load_pem_private_key(_PEM_HEADERS.sub(b"", content), None)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(str(error)) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError("keys are of type EC or RSA")  # noqa: TRY004 - the file is at fault
        return cls(key)

    def dump(self) -> bytes:
        """Return what `load` makes the key of: PEM, not encrypted."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )

    def sign(self, payload: bytes) -> Signature:
        """Return a signature of a JSON object.

        Raises:
            ManifestInvalid: the payload is not a JSON object with members.
        """
        cut = find_cut(payload)
        tail = payload[cut:]
        header = {
            "formatLength": cut,
            "formatTail": encode_base64url(tail),
            "time": _TIME,
        }
        protected = encode_base64url(encode_json(header).encode())
        algorithm, signature = self._sign(signing_input(protected, payload))
        return Signature(
            jwk=self._jwk,
            certificates=(),
            algorithm=algorithm,
            signature=encode_base64url(signature),
            protected=protected,
            format_length=cut,
            format_tail=tail,
            key=self.public,
        )

    def _sign(self, content: bytes) -> tuple[str, bytes]:
        if isinstance(self._key, rsa.RSAPrivateKey):
            hashing = RSA_HASHES[_RSA_ALGORITHM]
            return _RSA_ALGORITHM, self._key.sign(content, padding.PKCS1v15(), hashing)
        curve = self.public.curve
        assert curve is not None
        # Without chance, by RFC 6979: the same payload is signed with the same bytes.
        signing = ec.ECDSA(curve.hash, deterministic_signing=True)
        halves = decode_dss_signature(self._key.sign(content, signing))
        return curve.algorithm, b"".join(half.to_bytes(curve.size) for half in halves)


def _to_jwk(
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, public: PublicKey
) -> Mapping[str, object]:
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {
            "e": _encode_integer(numbers.e),
            "kid": public.key_id,
            "kty": "RSA",
            "n": _encode_integer(numbers.n),
        }
    assert public.curve is not None
    point = key.public_numbers()
    return {
        "crv": public.curve.name,
        "kid": public.key_id,
        "kty": "EC",
        "x": _encode_integer(point.x, public.curve.size),
        "y": _encode_integer(point.y, public.curve.size),
    }


def _encode_integer(number: int, size: int | None = None) -> str:
    return encode_base64url(number.to_bytes(size or (number.bit_length() + 7) // 8))


def _from_jwk(content: bytes) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    try:
        jwk = parse_strictly(content)
        public = PublicKey.from_jwk({k: v for k, v in jwk.items() if k != "d"}, "key").key
        secret = read_integer(jwk, "d", "key")
    except (ManifestInvalid, ManifestUnverified) as error:
        raise ValueError(f"not a JWK with a private key: {error.message}") from None
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        p, q = rsa.rsa_recover_prime_factors(numbers.n, numbers.e, secret)
        return rsa.RSAPrivateNumbers(
            p=p,
            q=q,
            d=secret,
            dmp1=rsa.rsa_crt_dmp1(secret, p),
            dmq1=rsa.rsa_crt_dmq1(secret, q),
            iqmp=rsa.rsa_crt_iqmp(p, q),
            public_numbers=numbers,
        ).private_key()
    return ec.EllipticCurvePrivateNumbers(secret, public.public_numbers()).private_key()
