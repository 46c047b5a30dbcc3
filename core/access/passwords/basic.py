"""Credentials of the Basic scheme. Spec: RFC 7617."""

import base64
import binascii
import re

from core.access.controller import CredentialsInvalid

__all__ = ["check_sanity", "parse_basic", "split_credentials"]

_MAX_CHARACTERS = 32 * 1024
"""Tokens of other issuers come as passwords."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SANE_NAME = re.compile(r"[^\x00-\x1f\x7f:]{1,256}")


def split_credentials(authorization: str) -> tuple[str, str]:
    """Return the scheme in lower case and the rest of an Authorization header."""
    scheme, _, rest = authorization.partition(" ")
    return scheme.lower(), rest.strip(" ")


def parse_basic(encoded: str) -> tuple[str, str]:
    """Return the user and the password of Basic credentials, without their scheme.

    Raises:
        CredentialsInvalid: they are no base64 of UTF-8 with a colon, the name is none, or the
                password has control characters.
    """
    if len(encoded) > _MAX_CHARACTERS:
        raise CredentialsInvalid("the Basic credentials are too long")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        raise CredentialsInvalid("the Basic credentials are not base64 of UTF-8") from None
    user, colon, password = text.partition(":")
    if not colon:
        raise CredentialsInvalid("the Basic credentials have no password")
    check_sanity(user, password)
    return user, password


def check_sanity(user: str, password: str) -> None:
    """Return if somebody could have this name and this password.

    Raises:
        CredentialsInvalid: the name is none, is too long, or one of them has control characters.
    """
    if _SANE_NAME.fullmatch(user) is None or _CONTROL.search(password):
        raise CredentialsInvalid("the credentials name no user")
