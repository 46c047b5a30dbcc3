"""Which files of uploads this process has made durable, so that nothing is synced twice.

A client sends the parts of a blob in one request and its end in another, and most often both to one
process. What the first has synced, the second need not; what others have written, it must.
"""

import os

__all__ = ["DurableFiles"]

_MAX_FILES = 4096

_State = tuple[int, int, int]


class DurableFiles:
    """Files whose name and whole content are on the disk. May be used by several threads at once.

    A file is known by its path and its state: whoever adds to it, or puts another in its place,
    changes that.
    """

    def __init__(self) -> None:
        """Know nothing: what earlier processes have written may not be on the disk yet."""
        self._states: dict[str, _State] = {}

    def remember(self, target: str, found: os.stat_result) -> None:
        """Take a file for durable, in the state that it has had since before its sync."""
        if len(self._states) >= _MAX_FILES:
            self._states.clear()
        self._states[target] = _state(found)

    def knows(self, target: str, found: os.stat_result) -> bool:
        """Say whether a file was remembered in this state."""
        return self._states.get(target) == _state(found)

    def forget(self, target: str) -> None:
        """Drop what is known of a file, which is no longer at its path."""
        self._states.pop(target, None)


def _state(found: os.stat_result) -> _State:
    return found.st_ino, found.st_size, found.st_ctime_ns
