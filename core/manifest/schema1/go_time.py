"""Points in time as Go's encoder prints them, which ids of layers depend on."""

import re

from core.errors import ManifestInvalid

__all__ = ["format_time"]

_ZERO = "0001-01-01T00:00:00Z"
_TIME = re.compile(
    r"(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)"
    r"(?:\.(\d{1,9})\d*)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
)


def format_time(text: str | None, field: str) -> str:
    """Return a time of RFC 3339 in the one form in which Go prints it; of none, its zero time.

    Raises:
        ManifestInvalid: it is no time; `field` is its place.
    """
    if text is None:
        return _ZERO
    found = _TIME.fullmatch(text)
    if found is None:
        raise ManifestInvalid("not a time of RFC 3339", field=field)
    seconds, fraction, zone = found.groups()
    fraction = (fraction or "").rstrip("0")
    if zone in {"+00:00", "-00:00"}:
        zone = "Z"
    return f"{seconds}{'.' if fraction else ''}{fraction}{zone}"
