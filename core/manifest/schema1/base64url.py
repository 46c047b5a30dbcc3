"""The base64url of JSON signatures. Spec: RFC 7515, section 2, "Base64url Encoding"."""

import base64
import binascii

__all__ = ["decode_base64url", "encode_base64url"]


def decode_base64url(text: str) -> bytes:
    """Return the bytes that `text` spells, which may have its padding or be without it.

    Nothing else is let pass: no characters of other alphabets, no line breaks, and no bits behind
    the last byte, so that each value has one spelling.

    Raises:
        ValueError: it is not base64url.
    """
    bare = text.rstrip("=")
    padding = "=" * (-len(bare) % 4)
    if text not in {bare, bare + padding}:
        raise ValueError("the padding of the base64url is wrong")
    try:
        content = base64.b64decode(bare + padding, altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64url: {error}") from None
    if encode_base64url(content) != bare:
        raise ValueError("not base64url: there is something behind its last byte")
    return content


def encode_base64url(content: bytes) -> str:
    """Return the text that spells `content`, without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
