"""No secret in any log: every service that a test has run is held to it when it ends."""

import re
from pathlib import Path

__all__ = ["check_log", "find_secrets", "used_secret"]

_USED: set[str] = set()

_FORMS = re.compile(
    # Tokens and their parts, what the registry itself gives out, credentials as headers have
    # them, private keys, and hashes of passwords.
    r"eyJ[A-Za-z0-9_-]{16,}"
    r"|moorage_(?:robot|refresh)_[A-Za-z0-9_.-]{8,}"
    r"|\b(?:Basic|Bearer) (?!realm=|credentials\b)[A-Za-z0-9+/=._~-]{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{20,}"
)


def used_secret(text: str) -> str:
    """Return `text`, which no log of this run may have from now on."""
    _USED.add(text)
    return text


def find_secrets(text: str) -> list[str]:
    """Return what is in a log and should not be."""
    return [*_FORMS.findall(text), *sorted(secret for secret in _USED if secret in text)]


def check_log(file: Path) -> None:
    """Fail if there is a secret in a log."""
    found = find_secrets(file.read_text(encoding="utf-8", errors="replace"))
    assert not found, f"{file} has secrets in it: {found}"
