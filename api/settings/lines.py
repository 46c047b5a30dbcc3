"""Where in a TOML file a key stands, for messages about lists of tables."""

import re
from collections.abc import Sequence

__all__ = ["find_line"]

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\s\"'-]+?)\s*\]\]?\s*(#.*)?")


def find_line(text: str, key: Sequence[str | int]) -> int | None:
    """Return the number of the line on which `key` begins, or None if it is not to be seen.

    Args:
        text: of the file, which has been read as TOML without a fault.
        key: names of tables and keys; a number behind the name of a list of tables.
    """
    for length in range(len(key), 0, -1):
        line = _find_table(text, key[:length], tuple(map(str, key[length:])))
        if line is not None:
            return line
    return None


def _find_table(text: str, table: Sequence[str | int], rest: tuple[str, ...]) -> int | None:
    """Return where `rest` begins in a table that has a header, or that header if it does not."""
    name = ".".join(part for part in table if isinstance(part, str))
    wanted = table[-1] if isinstance(table[-1], int) else 0
    is_list = isinstance(table[-1], int)
    seen = -1
    found: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.fullmatch(line)
        if header is not None:
            if found is not None:
                return found
            is_same = re.sub(r"[\s\"']", "", header[2]) == name
            if is_same and (header[1] == "[[") == is_list:
                seen += 1
                found = number if seen == wanted else None
        elif found is not None and rest and _begins(line, rest):
            return number
    return found


def _begins(line: str, rest: tuple[str, ...]) -> bool:
    name, equals, _ = line.partition("=")
    return bool(equals) and name.strip().strip("\"'").split(".")[0].strip() == rest[0]
