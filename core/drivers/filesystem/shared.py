"""One file under many names: contents that many files have alike, and nobody writes to in place.

A name more for a file that is there and durable costs the system a tenth of a new file, and no sync
of its content; and to remove it later frees nothing that the disk would have to keep account of.

All of this blocks, and is called from threads.
"""

import os
from dataclasses import dataclass, replace

__all__ = ["SharedContents"]


@dataclass(frozen=True, slots=True)
class _Latest:
    content: bytes
    name: str
    state: tuple[int, int, int]


class SharedContents:
    """The latest file whose content others may have too. May be used by several threads at once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._latest: _Latest | None = None

    def link(self, content: bytes, target: str) -> bool:
        """Make `target` a name of a durable file with `content`; say whether it is.

        What is there already is left alone. Where the result is False, nothing has changed.
        """
        latest = self._latest
        if latest is None or latest.content != content:
            return False
        try:
            os.link(latest.name, target)
        except OSError:
            # That file is gone, or has all the names that it can have, or this one is taken; and
            # a fault of the disk is met again, and told, by whoever writes the file in full.
            return False
        if _state(os.stat(target)) != latest.state:
            # Somebody has put another file in its place.
            os.unlink(target)
            return False
        # Of all names the newest is likely to stay longest.
        self._latest = replace(latest, name=target)
        return True

    def remember(self, content: bytes, found: os.stat_result, target: str) -> None:
        """Take note that the file `found`, which is durable and has `content`, is now `target`."""
        self._latest = _Latest(content, target, _state(found))


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns
