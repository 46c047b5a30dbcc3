"""`Signature`: one entry of the `signatures` of a signed document, as libtrust writes them.

What is signed is the text of `protected`, a dot, and the payload in base64url. `protected` says
where the payload was cut open to take the signatures in: after `formatLength` bytes, with
`formatTail` behind them. The header, with the key, is signed by nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import ManifestInvalid, ManifestUnverified
from core.manifest.schema1.base64url import decode_base64url, encode_base64url
from core.manifest.schema1.go_json import encode_json
from core.manifest.schema1.keys import PublicKey
from core.manifest.strict_json import parse_strictly

__all__ = ["Signature", "signing_input"]

_MAX_CERTIFICATES = 10
_SHOWN = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that has been through the parser; whether it is good is asked with `check`.

    Attributes:
        jwk: its key, as it was sent; None where certificates hold it.
        certificates: the `x5c`, the signer's own first; empty if it has none.
        algorithm: the `alg`.
        signature: in base64url, as it was sent.
        protected: in base64url, as it was sent.
        format_length: bytes of the payload that stand before the signatures.
        format_tail: the bytes that follow them in the payload.
        key: read from the certificates, or else from the JWK.
    """

    jwk: Mapping[str, object] | None
    certificates: tuple[str, ...]
    algorithm: str
    signature: str
    protected: str
    format_length: int
    format_tail: bytes
    key: PublicKey

    @classmethod
    def parse(cls, entry: object, field: str) -> "Signature":
        """Return the signature that a JSON value is; `field` is its place in the document.

        Raises:
            ManifestUnverified: it is none; nothing was verified yet.
        """
        entry = _object(entry, field)
        header = _object(entry.get("header"), f"{field}.header")
        certificates = _read_certificates(header, f"{field}.header.x5c")
        jwk = None
        if "jwk" in header:
            jwk = _object(header["jwk"], f"{field}.header.jwk")
        if certificates:
            key = PublicKey.from_certificate(certificates[0], f"{field}.header.x5c[0]")
        elif jwk is not None:
            key = PublicKey.from_jwk(jwk, f"{field}.header.jwk")
        else:
            raise ManifestUnverified("there is no public key", field=f"{field}.header")
        protected = _text(entry, "protected", field)
        length, tail = _read_protected(protected, f"{field}.protected")
        return cls(
            jwk=jwk,
            certificates=certificates,
            algorithm=_text(header, "alg", f"{field}.header"),
            signature=_text(entry, "signature", field),
            protected=protected,
            format_length=length,
            format_tail=tail,
            key=key,
        )

    @property
    def order(self) -> tuple[str, str]:
        """Where it stands among others: libtrust sorts by key, then by signature."""
        return self.key.key_id, self.signature

    def check(self, payload: bytes, field: str) -> None:
        """Return if this is a good signature of `payload`.

        Raises:
            ManifestUnverified: it is not, and `field` with what follows it says where.
        """
        try:
            signature = decode_base64url(self.signature)
        except ValueError as error:
            raise ManifestUnverified(str(error), field=f"{field}.signature") from None
        signed = signing_input(self.protected, payload)
        self.key.check(signed, signature, self.algorithm, field)

    def entry(self) -> dict[str, object]:
        """Return the JSON value, its members in libtrust's order."""
        header: dict[str, object] = {}
        if self.jwk is not None:
            header["jwk"] = {name: self.jwk[name] for name in sorted(self.jwk)}
        header["alg"] = self.algorithm
        if self.certificates:
            header["x5c"] = list(self.certificates)
        return {"header": header, "signature": self.signature, "protected": self.protected}

    def compact(self) -> bytes:
        """Return the bytes as which it is stored, those of docker distribution 2.0 to 2.3."""
        return encode_json(self.entry()).encode()


def signing_input(protected: str, payload: bytes) -> bytes:
    """Return what is signed. Spec: RFC 7515, section 5.1, "JWS Signing Input"."""
    return f"{protected}.{encode_base64url(payload)}".encode("ascii")


def _read_protected(text: str, field: str) -> tuple[int, bytes]:
    try:
        header = parse_strictly(decode_base64url(text))
    except ManifestInvalid as error:
        reason = error.message.replace("the manifest", "it")
        raise ManifestUnverified(f"not a protected header: {reason}", field=field) from None
    except ValueError as error:
        raise ManifestUnverified(str(error), field=field) from None
    length, tail = header.get("formatLength"), header.get("formatTail")
    if isinstance(length, bool) or not isinstance(length, int | float):
        raise ManifestUnverified("it has no number `formatLength`", field=field)
    # No document is that long.
    if not 0 <= length < 2**53:
        raise ManifestUnverified(f"`formatLength` is {length}", field=field)
    if not isinstance(tail, str) or not tail:
        raise ManifestUnverified("it has no text `formatTail`", field=field)
    try:
        return int(length), decode_base64url(tail)
    except ValueError as error:
        raise ManifestUnverified(f"`formatTail`: {error}", field=field) from None


def _read_certificates(header: Mapping[str, object], field: str) -> tuple[str, ...]:
    value = header.get("x5c", [])
    if not isinstance(value, list) or len(value) > _MAX_CERTIFICATES:
        raise ManifestUnverified(
            f"a list of at most {_MAX_CERTIFICATES} certificates belongs here", field=field
        )
    for place, text in enumerate(value):
        if not isinstance(text, str):
            raise ManifestUnverified("not a text", field=f"{field}[{place}]")
    return tuple(value)


def _object(value: object, field: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ManifestUnverified("an object belongs here", field=field)
    return value


def _text(value: Mapping[str, object], name: str, field: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text.isascii():
        raise ManifestUnverified("a text of ASCII belongs here", field=f"{field}.{name}")
    return text
