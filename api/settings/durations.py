"""Durations as people write them: `168h`, `7d`, `1h30m`, `90s`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

__all__ = ["EXAMPLES", "PositiveDuration", "parse_duration"]

EXAMPLES = "such as 168h, 7d, 1h30m or 90s"

_PARTS = re.compile(r"(?:[0-9]{1,9}[dhms])+", re.ASCII)
_PART = re.compile(r"([0-9]+)([dhms])", re.ASCII)
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def parse_duration(text: str) -> timedelta:
    """Return how long `text` is: whole numbers of days, hours, minutes and seconds, added up.

    Raises:
        ValueError: it is no duration, or one that is too long to count.
    """
    if _PARTS.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a duration {EXAMPLES}")
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"{text!r} is too long a duration") from None


def _check_positive(text: str) -> str:
    try:
        positive = parse_duration(text) > timedelta(0)
    except ValueError:
        positive = False
    if not positive:
        raise PydanticCustomError("duration", f"a duration above zero {EXAMPLES}")
    return text


PositiveDuration = Annotated[str, AfterValidator(_check_positive)]
"""A setting that is shown as it was written, and that `parse_duration` takes."""
