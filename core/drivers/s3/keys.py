"""From paths to keys and back: the names that `docker/distribution` uses, and our side objects.

A side object is named by a tilde behind the key of the file that it belongs to. No path has a
tilde, so it is in nobody's way.
"""

__all__ = ["CLAIM", "TAIL", "Keys", "is_side_object"]

CLAIM = "~claim"
"""Who is appending to the file now."""

TAIL = "~tail"
"""The bytes of the last part of an unfinished upload, as long as they are too few for a part."""


def is_side_object(name: str) -> bool:
    """Say whether a key or name is that of a side object."""
    return name.endswith((CLAIM, TAIL))


class Keys:
    """The keys of one store, which may begin with a prefix that it shares with nobody."""

    def __init__(self, root_prefix: str) -> None:
        self._root = root_prefix.strip("/")

    def key(self, path: str) -> str:
        """Return the key of a file."""
        return f"{self._root}{path}".lstrip("/")

    def below(self, path: str) -> str:
        """Return what all keys below a directory begin with."""
        return f"{self._root}{path.rstrip('/')}/".lstrip("/")

    def path(self, key: str) -> str:
        """Return the path whose key this is."""
        return key.removeprefix(self._root) if self._root else f"/{key}"
