"""Tokens as they are written: three parts with dots between. Spec: RFC 7515, section 7.1."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from core.access.controller import CredentialsInvalid
from core.access.tokens.strict_json import parse_object

__all__ = ["MAX_TOKEN_CHARACTERS", "CompactToken", "parse_compact"]

MAX_TOKEN_CHARACTERS = 16 * 1024

_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactToken:
    """A token that nobody has verified yet.

    Attributes:
        header: says how it is signed.
        claims: what it says.
        signed: the bytes that the signature is of.
        signature: in the form of its algorithm.
    """

    header: Mapping[str, object]
    claims: Mapping[str, object]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse_compact(token: str) -> CompactToken:
    """Return the parts of a token, read once and strictly.

    Raises:
        CredentialsInvalid: it is longer than `MAX_TOKEN_CHARACTERS`, not of the form, or one of
            its parts is no JSON object, or is nested too deep. A token that is encrypted, not
            signed, or has detached content is not of the form.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise CredentialsInvalid(f"the token has more than {MAX_TOKEN_CHARACTERS} characters")
    if _FORM.fullmatch(token) is None:
        raise CredentialsInvalid("not a signed token of three parts")
    signed, _, signature = token.rpartition(".")
    header, _, claims = signed.partition(".")
    return CompactToken(
        header=_parse_part("header", header),
        claims=_parse_part("claims", claims),
        signed=signed.encode("ascii"),
        signature=_decode("signature", signature),
    )


def _parse_part(name: str, text: str) -> dict[str, object]:
    try:
        return parse_object(_decode(name, text))
    except ValueError as error:
        raise CredentialsInvalid(f"the {name} of the token: {error}") from None


def _decode(name: str, text: str) -> bytes:
    """Return the bytes of a part, for which there is one text only."""
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        content = b""
    if base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii") != text:
        raise CredentialsInvalid(f"the {name} of the token is no base64url")
    return content
