"""What may be shown of a setting's value."""

import re
from pathlib import PurePath

from pydantic import BaseModel, SecretStr

__all__ = ["MASK", "shown"]

MASK = "********"

_TABLES = {("access", "token"), ("access", "tokens")}

_SECRET_KEY = re.compile(
    r"secret|(?<!ht)passw|pwd|passphrase|token|key|credential|connection_?string", re.IGNORECASE
)
_UNIT = re.compile(r"_(seconds|days|bytes|count|depth|entries)$")
# To the last `@`: one inside a password need not be escaped for it to work.
_PASSWORD_IN_URL = re.compile(r"(?<=://)[^\s:]*:\S*(?=@)|(?<=[?&]password=)[^&\s]*")


def shown(key: tuple[str, ...], value: object) -> object:
    """Give `value` as it may be printed: itself, or a mask where `key` names a secret.

    A password inside a URL is masked whatever the key is called. What is measured, and the path of
    a file, is no secret.
    """
    if value is None or isinstance(value, bool | PurePath) or _UNIT.search(key[-1]):
        return value
    if isinstance(value, SecretStr) or any(_SECRET_KEY.search(part) for part in _named(key)):
        return MASK
    if isinstance(value, BaseModel):
        return {name: shown((*key, name), inner) for name, inner in value}
    if isinstance(value, dict):
        return {name: shown((*key, str(name)), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [shown(key, inner) for inner in value]
    return _PASSWORD_IN_URL.sub(MASK, value) if isinstance(value, str) else value


def _named(key: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out of a key the tables of ours that are named after tokens and hold none."""
    return key[2:] if key[:2] in _TABLES else key
