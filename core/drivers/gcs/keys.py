"""The names of objects: those of files are their paths, and what is beside them has a tilde.

    <path>                               the content of a file
    <path>~claim                         whoever appends to it
    <path>~upload/00000000~part          what its appenders have stored: number 0, the marker, says
    <path>~upload/00000001~part          that there is an upload, and the others follow in order
    <path>~parts/<uuid>/00000000~part    what one writer has sent, or what is composed on the way

No path has a tilde, so that none of these can be taken for a file. All that is stored in parts
ends in `~part`, for the sake of lifecycle rules, which know suffixes.
"""

import re

__all__ = [
    "MARKER",
    "Keys",
    "claim_key",
    "is_marker",
    "part_key",
    "part_number",
    "parts_prefix",
    "split_group",
    "upload_prefix",
]

MARKER = 0
"""The number of the part that begins an upload; the others count from 1."""

_GROUP = re.compile(r"(?P<file>[^~]+)(?P<group>~(?:upload|parts/[^/~]+)/)[^/]*\Z")
_PART = re.compile(r"(\d+)~part\Z")


class Keys:
    """Paths of the driver as names of objects below a prefix, and back."""

    def __init__(self, root_prefix: str) -> None:
        """Slashes around `root_prefix` do not matter; an empty one is the root of the bucket."""
        stripped = root_prefix.strip("/")
        self._root = f"{stripped}/" if stripped else ""

    def file(self, path: str) -> str:
        """Return the name of the object that has the content of `path`."""
        return self._root + path.removeprefix("/")

    def directory(self, path: str) -> str:
        """Return what the names of all objects below `path` begin with."""
        return self._root if path == "/" else f"{self.file(path)}/"

    def path(self, key: str) -> str:
        """Return the path of the file whose object this is."""
        return f"/{key.removeprefix(self._root)}"


def claim_key(key: str) -> str:
    """Return the name of the claim of a file."""
    return f"{key}~claim"


def upload_prefix(key: str) -> str:
    """Return what the names of an upload's parts begin with."""
    return f"{key}~upload/"


def parts_prefix(key: str, owner: str) -> str:
    """Return what the names of one writer's parts begin with."""
    return f"{key}~parts/{owner}/"


def part_key(prefix: str, number: int) -> str:
    """Return the name of a part; names are in the order of their numbers."""
    return f"{prefix}{number:08}~part"


def is_marker(key: str) -> bool:
    """Say whether this is the name of the first part of an upload."""
    return key.endswith(part_key("~upload/", MARKER))


def part_number(prefix: str, key: str) -> int | None:
    """Return the number of the part with this name, or None if that is no part's name."""
    found = _PART.fullmatch(key.removeprefix(prefix))
    return None if found is None else int(found[1])


def split_group(key: str) -> tuple[str, str] | None:
    """Return the file's name and the prefix that a part shares with others; None for no part."""
    found = _GROUP.fullmatch(key)
    return None if found is None else (found["file"], key[: found.end("group")])
