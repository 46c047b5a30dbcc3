"""Public keys that signatures of tokens are verified with, and the names they go by."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from core.access.tokens.strict_json import parse_object

__all__ = [
    "ALGORITHMS",
    "MAX_KEYS",
    "PublicKey",
    "VerificationKey",
    "libtrust_fingerprint",
    "parse_key_set",
]

PublicKey: TypeAlias = EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey | Ed448PublicKey

ALGORITHMS: Final = (
    *("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("EdDSA", "Ed25519"),
)
"""What a signature may be made with: nothing without a key pair, so neither `none` nor HMAC.

Spec: RFC 7518, section 3.1; RFC 8037, section 3.1; RFC 9864, section 2.2.
"""

MAX_KEYS = 256
"""Most keys in one set; more are a fault."""

_MAX_KEYS_OF_A_NAME = 8
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 8192
_MAX_KEY_ID_CHARACTERS = 512
_PUBLIC_MEMBERS: Final = {
    "EC": ("kty", "crv", "x", "y"),
    "RSA": ("kty", "n", "e"),
    "OKP": ("kty", "crv", "x"),
}
_TEXT = re.compile(r"[A-Za-z0-9_-]+")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VerificationKey:
    """A public key, and what may be verified with it.

    Attributes:
        public: the key itself.
        algorithm: the only one it is for; None for every one of its type.
    """

    public: ECKey | RSAKey | OKPKey
    algorithm: str | None = None

    @classmethod
    def of(cls, public_key: PublicKey, *, algorithm: str | None = None) -> "VerificationKey":
        """Return the key that cryptography knows as `public_key`.

        Raises:
            ValueError: nothing here verifies with such a key: its size or curve is not one of
                those of `ALGORITHMS`.
        """
        public: ECKey | RSAKey | OKPKey
        if isinstance(public_key, RSAPublicKey):
            _check_rsa_bits(public_key.key_size)
            public = RSAKey.import_key(public_key)
        elif isinstance(public_key, EllipticCurvePublicKey):
            public = ECKey.import_key(public_key)
        else:
            public = OKPKey.import_key(public_key)
        key = cls(public=public, algorithm=algorithm)
        if not any(key.fits(name) for name in ALGORITHMS):
            raise ValueError("a key that no algorithm here is for")
        return key

    def fits(self, algorithm: str) -> bool:
        """Say whether the key is of the type, the curve and the purpose of `algorithm`."""
        if self.algorithm not in {None, algorithm}:
            return False
        if algorithm == "EdDSA" and isinstance(self.public, OKPKey):
            # joserfc leaves the curve to the verification, and the other two only exchange keys.
            return self.public.curve_name in {"Ed25519", "Ed448"}
        try:
            JWSRegistry.algorithms[algorithm].check_key(self.public)
        except JoseError:
            return False
        return True

    def verifies(self, algorithm: str, content: bytes, signature: bytes) -> bool:
        """Say whether `signature` is this key's, of `content`; False where the key does not fit.

        It takes up to a millisecond and does not leave the thread: a hop costs about as much.
        """
        return self.fits(algorithm) and bool(
            JWSRegistry.algorithms[algorithm].verify(content, signature, self.public)
        )

    def thumbprint(self) -> str:
        """Return its name by RFC 7638, with SHA-256."""
        return self.public.thumbprint()


def libtrust_fingerprint(public_key: PublicKey) -> str:
    """Return what Docker's libtrust names a key: twelve groups of four, with colons between."""
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(encoded).digest()[:30]).decode("ascii")
    return ":".join(text[at : at + 4] for at in range(0, len(text), 4))


def parse_key_set(content: bytes) -> Mapping[str, Sequence[VerificationKey]]:
    """Return the keys of a JWK Set by `kid`, several where they share one.

    Keys that verify no signature here are left out, as are those without a `kid`, since a token
    could not name them. Of private keys only the public part is taken. Spec: RFC 7517, section 5.

    Raises:
        ValueError: it is no JWK Set, none of its keys is of use, or too many share a `kid`.
    """
    listed = parse_object(content).get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError(f"a JWK Set has `keys`, a list of at most {MAX_KEYS}")
    found: dict[str, list[VerificationKey]] = {}
    for position, entry in enumerate(listed):
        try:
            kid, key = _parse_key(entry)
        except ValueError as error:
            _log.info("a key of a set is of no use", position=position, reason=str(error))
        else:
            named = found.setdefault(kid, [])
            # Each of them is tried on a token, and an issuer must not make that take long.
            if len(named) == _MAX_KEYS_OF_A_NAME:
                raise ValueError(f"more than {_MAX_KEYS_OF_A_NAME} keys have one kid")
            named.append(key)
    if not found:
        raise ValueError("no key in the JWK Set is of use")
    return found


def _parse_key(entry: object) -> tuple[str, VerificationKey]:
    if not isinstance(entry, dict):
        raise ValueError("not an object")  # noqa: TRY004 - a fault of the text, not of the code
    kid, kind, algorithm = entry.get("kid"), entry.get("kty"), entry.get("alg")
    if not isinstance(kid, str) or not 0 < len(kid) <= _MAX_KEY_ID_CHARACTERS:
        raise ValueError("no kid")
    if not isinstance(kind, str) or kind not in _PUBLIC_MEMBERS:
        raise ValueError("not a key pair")
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise ValueError("for another algorithm")
    if entry.get("use", "sig") != "sig" or not _may_verify(entry.get("key_ops")):
        raise ValueError("not for signatures")
    members = {name: entry.get(name) for name in _PUBLIC_MEMBERS[kind]}
    texts = {name: value for name, value in members.items() if isinstance(value, str)}
    if len(texts) != len(members) or not all(
        name in {"kty", "crv"} or _TEXT.fullmatch(value) for name, value in texts.items()
    ):
        raise ValueError("a part of the key is missing or malformed")
    key = VerificationKey(public=_import(kind, texts), algorithm=algorithm)
    if not any(key.fits(name) for name in ALGORITHMS):
        raise ValueError("a key that no algorithm here is for")
    return kid, key


def _may_verify(operations: object) -> bool:
    # A private key that somebody has put there says `sign`, and its public part verifies.
    return operations is None or (
        isinstance(operations, list) and any(name in operations for name in ("verify", "sign"))
    )


def _import(kind: str, members: Mapping[str, str]) -> ECKey | RSAKey | OKPKey:
    try:
        if kind == "RSA":
            _check_rsa_bits(_bits(members["n"]))
            return RSAKey.import_key(dict(members))
        if kind == "EC":
            return ECKey.import_key(dict(members))
        return OKPKey.import_key(dict(members))
    except (JoseError, KeyError, UnsupportedAlgorithm) as error:
        raise ValueError(f"not a key: {type(error).__name__}") from None


def _bits(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))).bit_length()


def _check_rsa_bits(bits: int) -> None:
    if not _MIN_RSA_BITS <= bits <= _MAX_RSA_BITS:
        raise ValueError(f"an RSA key has from {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits")
