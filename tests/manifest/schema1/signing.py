"""Documents signed as libtrust signs them, by code that shares nothing with what it tests."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

__all__ = ["EMPTY_LAYER", "ES", "RS", "Key", "image", "sign", "unpadded"]

EMPTY_LAYER = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"

Members = dict[str, Any]

_CURVES: Mapping[int, tuple[str, ec.EllipticCurve, int]] = {
    256: ("P-256", ec.SECP256R1(), 32),
    384: ("P-384", ec.SECP384R1(), 48),
    512: ("P-521", ec.SECP521R1(), 66),
}
_HASHES: Mapping[int, hashes.HashAlgorithm] = {
    256: hashes.SHA256(),
    384: hashes.SHA384(),
    512: hashes.SHA512(),
}


def unpadded(content: bytes) -> str:
    """Base64url without its padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass(frozen=True)
class Key:
    """A key made for the tests, which signs with one algorithm."""

    kind: str
    bits: int = 256
    private: Any = field(default=None)

    def __post_init__(self) -> None:
        if self.private is None:
            made: Any = (
                ec.generate_private_key(_CURVES[self.bits][1])
                if self.kind == "EC"
                else rsa.generate_private_key(65537, 2048)
            )
            object.__setattr__(self, "private", made)

    @property
    def alg(self) -> str:
        return f"{'ES' if self.kind == 'EC' else 'RS'}{self.bits}"

    @property
    def kid(self) -> str:
        der = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
        return ":".join(text[i : i + 4] for i in range(0, 48, 4))

    @property
    def jwk(self) -> Members:
        numbers = self.private.public_key().public_numbers()
        if self.kind == "RSA":
            n = numbers.n.to_bytes(256, "big")
            return {"e": "AQAB", "kid": self.kid, "kty": "RSA", "n": unpadded(n)}
        name, _, size = _CURVES[self.bits]
        x, y = (unpadded(part.to_bytes(size, "big")) for part in (numbers.x, numbers.y))
        return {"crv": name, "kid": self.kid, "kty": "EC", "x": x, "y": y}

    def sign(self, content: bytes) -> bytes:
        if self.kind == "RSA":
            signed: bytes = self.private.sign(content, padding.PKCS1v15(), _HASHES[self.bits])
            return signed
        size = _CURVES[self.bits][2]
        der = self.private.sign(content, ec.ECDSA(_HASHES[self.bits]))
        return b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(der))


ES = Key("EC")
RS = Key("RSA")


def image(indent: int | str | None = 3, **members: object) -> bytes:
    """The payload of an image, unsigned, as the Go type of the time writes it."""
    document: Members = {
        "schemaVersion": 1,
        "name": "team/app",
        "tag": "1.0",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": EMPTY_LAYER}],
        "history": [{"v1Compatibility": json.dumps({"id": "a" * 64})}],
        **members,
    }
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(document, indent=indent, separators=separators).encode()


def sign(
    payload: bytes,
    *keys: Key,
    protected: Members | None = None,
    header: Members | None = None,
    entry: Members | None = None,
) -> bytes:
    """Put signatures by `keys`, sorted, into a payload; the others replace members of each."""
    body = payload.rstrip()
    length = len(body[:-1].rstrip())
    cut: Members = {
        "formatLength": length,
        "formatTail": unpadded(payload[length:]),
        "time": "2015-02-06T00:00:00Z",
        **(protected or {}),
    }
    text = unpadded(json.dumps(cut, separators=(",", ":")).encode())
    entries: Sequence[Members] = sorted(
        (
            {
                "header": {"jwk": key.jwk, "alg": key.alg, **(header or {})},
                "signature": unpadded(key.sign(f"{text}.{unpadded(payload)}".encode())),
                "protected": text,
                **(entry or {}),
            }
            for key in keys or (ES,)
        ),
        key=lambda one: (str(one["header"]["jwk"].get("kid")), str(one["signature"])),
    )
    if not payload.startswith(b"{\n"):
        compact = json.dumps(entries, separators=(",", ":"))
        return payload[:length] + f',"signatures":{compact}}}'.encode()
    indent = payload[2 : payload.index(b'"')].decode()
    lines = json.dumps(entries, indent=indent).replace("\n", f"\n{indent}")
    return payload[:length] + f',\n{indent}"signatures": {lines}\n}}'.encode()
