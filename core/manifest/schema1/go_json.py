"""JSON as Go's encoder writes it, and parts of JSON as they are written.

Ids of layers and digests of payloads are computed from such texts, so that each byte counts.
"""

import json
import re
from collections.abc import Iterator, Mapping

__all__ = ["compact_json", "encode_json", "join_members", "split_members"]

_MINDED = re.compile("[<>&\u2028\u2029]")
_ESCAPE = re.compile(r"\\.")
# Of these two the encoder of the time knew no short form.
_SPELLED_OUT = {r"\b": "\\u0008", r"\f": "\\u000c"}
_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')
_BLANK = re.compile(r"[ \t\r\n]*")
_SCAN = json.JSONDecoder()


def encode_json(value: object, *, indent: str | None = None, prefix: str = "") -> str:
    """Return `value` as Go's `encoding/json` prints it.

    Without `indent` it is in one line without spaces; with it each line but the first begins with
    `prefix`. Characters that HTML minds are escaped.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    text = _escape(_ESCAPE.sub(_spell_out, text))
    return text.replace("\n", f"\n{prefix}") if prefix else text


def compact_json(text: str) -> str:
    """Return the JSON `text` without spaces and HTML-escaped, its values spelled as they were."""
    return _escape(_SPACE.sub(lambda found: found[1] or "", text))


def split_members(text: str) -> Iterator[tuple[str, str]]:
    """Yield the members of the JSON object `text`, each value as it is written there.

    `text` is known to be a JSON object.
    """
    place = _skip(text, text.index("{") + 1)
    while text[place] != "}":
        name, place = _SCAN.raw_decode(text, place)
        start = _skip(text, _skip(text, place) + 1)
        _, end = _SCAN.raw_decode(text, start)
        yield name, text[start:end]
        place = _skip(text, end)
        if text[place] == ",":
            place = _skip(text, place + 1)


def join_members(members: Mapping[str, str]) -> str:
    """Return the JSON object with these members, whose values are JSON, sorted as Go sorts."""
    return "{" + ",".join(f"{encode_json(name)}:{members[name]}" for name in sorted(members)) + "}"


def _spell_out(found: re.Match[str]) -> str:
    return _SPELLED_OUT.get(found[0], found[0])


def _skip(text: str, place: int) -> int:
    found = _BLANK.match(text, place)
    assert found is not None
    return found.end()


def _escape(text: str) -> str:
    return _MINDED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
