"""JSON of tokens and key sets, which come from anybody: bounded, and never read in two ways."""

import json
import re
from collections.abc import Iterable
from typing import Final

__all__ = ["MAX_DEPTH", "parse_object"]

MAX_DEPTH = 16
"""Most arrays and objects inside each other."""

_MAX_DIGITS = 400

# Strings, so that brackets inside them do not count; then brackets. The quantifiers give nothing
# back, so that the time is proportional to the text whatever is in it.
_STRUCTURE: Final = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[{]|[\]}]', re.DOTALL)
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def parse_object(content: bytes) -> dict[str, object]:
    """Return the one object that `content` is, in UTF-8.

    Raises:
        ValueError: it is no JSON or no object, is nested deeper than `MAX_DEPTH`, has a member
            twice, a number that JSON does not have or that is absurdly long, or a text that is
            no Unicode. What it holds is not in the text of the error.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    _check_depth(text)
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_parse_integer,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - a fault of the text, not of the code
    if _SURROGATE.search(text) is not None:
        _check_unicode(value)
    return value


def _check_depth(text: str) -> None:
    """Raise ValueError before a parser would run out of stack."""
    depth = 0
    for match in _STRUCTURE.finditer(text):
        first = text[match.start()]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"nested more than {MAX_DEPTH} deep")
        elif first in "]}":
            depth -= 1


def _unique(members: Iterable[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in members:
        if name in found:
            raise ValueError("a member occurs twice")
        found[name] = value
    return found


def _parse_integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError("a number that is too long")
    return int(text)


def _refuse_constant(name: str) -> object:
    raise ValueError("a number that JSON does not have")


def _check_unicode(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a text that is no Unicode") from None
