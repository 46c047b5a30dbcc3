"""JSON that everybody reads alike: no member twice, no endless nesting, no absurd volume."""

import json
from collections import Counter
from collections.abc import Iterable
from math import isfinite

from pydantic_core import from_json

from core.errors import ManifestInvalid

__all__ = ["MAX_DEPTH", "check_volume", "not_json", "parse_strictly"]

MAX_DEPTH = 64
"""Real manifests have five levels."""

_MAX_PARTS = 80_000
"""4 MiB of descriptors, the shortest that are valid, have fewer."""

_MAX_NAME = 256
"""Characters of a member's name that an error tells."""


def parse_strictly(content: bytes) -> dict[str, object]:
    """Return the object that `content` is, if no two readers could disagree about it.

    Raises:
        ManifestInvalid: it is no JSON object, has a member twice at any depth or a number that
            is too large, is nested too deep or has too many parts.
    """
    try:
        check_volume(from_json(content, allow_inf_nan=False))
        document = json.loads(content, object_pairs_hook=_to_object, parse_float=_to_float)
    except ValueError as error:
        raise not_json(str(error)) from None
    if not isinstance(document, dict):
        raise ManifestInvalid("the manifest is not a JSON object")
    return document


def check_volume(document: object, max_depth: int = MAX_DEPTH) -> None:
    """Refuse a document that is nested too deep, or has more parts than its size can need.

    Each part may be a fault, and millions of them would keep the process busy for seconds.

    Args:
        document: parsed.
        max_depth: how deep objects and lists may be nested, the document itself included.

    Raises:
        ManifestInvalid: it is, or there are too many lists, objects, numbers and entries of lists.
    """
    parts = depth = 0
    level = [document]
    while level:
        depth += 1
        if depth > max_depth:
            raise ManifestInvalid(
                f"the manifest is nested too deep: more than {max_depth} objects and lists"
            )
        below: list[object] = []
        for value in level:
            children = value.values() if isinstance(value, dict) else value
            in_list = isinstance(value, list)
            for child in children if isinstance(children, Iterable) else ():
                parts += in_list or not isinstance(child, str)
                if isinstance(child, dict | list):
                    below.append(child)
                if parts > _MAX_PARTS:
                    raise ManifestInvalid(f"the manifest has more than {_MAX_PARTS} parts")
        level = below


def not_json(reason: str) -> ManifestInvalid:
    """Return the error that says why a document cannot be parsed."""
    if reason.startswith("recursion limit"):
        return ManifestInvalid(f"the manifest is nested too deep: {reason}")
    return ManifestInvalid(f"the manifest is not JSON: {reason}")


def _to_object(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members):
        counts = Counter(name for name, _ in members)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ManifestInvalid("a member occurs twice", field=twice[:_MAX_NAME])
    return found


def _to_float(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        # It would be written again as `Infinity`.
        raise ValueError("a number is too large")
    return number
