"""`SignedJson`: a JSON document with its signatures inside, as libtrust joins the two.

The payload is what was there before it was signed. Its digest is that of the manifest.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.errors import ManifestInvalid, ManifestUnverified
from core.manifest.schema1.go_json import encode_json
from core.manifest.schema1.signatures import Signature
from core.manifest.strict_json import parse_strictly

__all__ = [
    "MAX_INDENT",
    "MAX_SIGNATURES",
    "SignedJson",
    "find_cut",
    "find_indent",
    "join",
    "shown_faults",
    "split",
]

MAX_SIGNATURES = 32
"""In one document. Each costs a verification, and an RSA key may be slow to verify with."""

MAX_INDENT = 64
"""Characters. Each line of the signatures begins with several times the indent of the payload."""

_MAX_NAME = 256
"""Characters of a member's name that an error tells."""

_BLANKS = b" \t\r\n"
_SIGNATURES = "signatures"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedJson:
    """A document taken apart.

    Attributes:
        payload: the bytes that are signed.
        signatures: in the order of the document, at least one.
    """

    payload: bytes
    signatures: tuple[Signature, ...]

    def faults(self) -> Iterator[ManifestUnverified]:
        """Verify each signature, and yield what is wrong with those that are not good."""
        for place, signature in enumerate(self.signatures):
            try:
                signature.check(self.payload, f"{_SIGNATURES}[{place}]")
            except ManifestUnverified as error:
                yield error


def split(document: bytes) -> SignedJson:
    """Take a signed document apart. Nothing is verified yet.

    Raises:
        ManifestInvalid: it is no JSON object, or has a member twice.
        ManifestUnverified: it has no signatures or too many, one of them is malformed, or they do
            not agree about the payload.
    """
    entries = parse_strictly(document).get(_SIGNATURES)
    if not isinstance(entries, list) or not entries:
        raise ManifestUnverified("the manifest is not signed", field=_SIGNATURES)
    if len(entries) > MAX_SIGNATURES:
        raise ManifestUnverified(
            f"a manifest has at most {MAX_SIGNATURES} signatures", field=_SIGNATURES
        )
    signatures = tuple(
        Signature.parse(entry, f"{_SIGNATURES}[{place}]") for place, entry in enumerate(entries)
    )
    first = signatures[0]
    for place, other in enumerate(signatures):
        if (other.format_length, other.format_tail) != (first.format_length, first.format_tail):
            raise ManifestUnverified(
                "it is about another payload than the first",
                field=f"{_SIGNATURES}[{place}].protected",
            )
    if first.format_length > len(document):
        raise ManifestUnverified(
            "`formatLength` is beyond the end of the manifest", field=f"{_SIGNATURES}[0].protected"
        )
    payload = document[: first.format_length] + first.format_tail
    return SignedJson(payload=payload, signatures=signatures)


def shown_faults(document: bytes, signed: SignedJson) -> Iterator[ManifestUnverified]:
    """Yield an error if the document shows anything that its payload does not have.

    Whoever reads the document without knowing of the payload then reads the same as who knows.
    """
    length = signed.signatures[0].format_length
    try:
        cut = find_cut(signed.payload)
        behind = document[length:].lstrip(_BLANKS)
        if length != cut or not behind.startswith(b","):
            raise ManifestInvalid("the signatures do not stand behind the last member")
        unsigned = set(parse_strictly(b"{" + behind[1:])) - {_SIGNATURES}
    except ManifestInvalid as error:
        yield ManifestUnverified(f"parts of the manifest are not signed: {error.message}")
        return
    for name in sorted(unsigned):
        yield ManifestUnverified("this member is not signed", field=name[:_MAX_NAME])


def find_cut(payload: bytes) -> int:
    """Return where signatures are put in: behind the last member of the JSON object `payload`.

    Raises:
        ManifestInvalid: it is no such object, or has no members.
    """
    inside = payload.rstrip(_BLANKS)
    before = inside[:-1].rstrip(_BLANKS)
    if not inside.endswith(b"}") or not before or before[-1:] in {b"{", b","}:
        raise ManifestInvalid("what is signed is not a JSON object with members")
    return len(before)


def join(payload: bytes, signatures: Iterable[Signature]) -> bytes:
    """Return the document as libtrust writes it, the signatures sorted.

    A payload whose own lines are indented has its signatures indented alike.

    Raises:
        ManifestInvalid: the payload is not a JSON object with members.
    """
    shown = payload[: find_cut(payload)]
    entries = [signature.entry() for signature in sorted(signatures, key=lambda one: one.order)]
    indent = find_indent(payload)
    if indent and len(indent) <= MAX_INDENT:
        text = encode_json(entries, indent=indent, prefix=indent)
        return shown + f',\n{indent}"{_SIGNATURES}": {text}\n}}'.encode()
    return shown + f',"{_SIGNATURES}":{encode_json(entries)}}}'.encode()


def find_indent(payload: bytes) -> str:
    """Return the blanks before the first member, if it stands on a line of its own."""
    if not payload.startswith(b"{\n"):
        return ""
    return payload[2 : payload.index(b'"')].decode("ascii")
