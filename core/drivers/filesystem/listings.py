"""The names in directories, those of large ones kept until the directories change.

A page of a list is a few names out of what may be a hundred thousand, and the system gives all of
them, in no order. What was sorted once serves the next pages too, whoever changes the directory:
its times tell. They are coarse, so two changes in one tick look like one; what was read is kept
only if the directory had been seen with the same times a while before, so that the tick was over.

All of this blocks, and is called from threads.
"""

import os
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from cachetools import LRUCache

from core.drivers.base import Entry
from core.drivers.filesystem.leftovers import is_temporary

__all__ = ["Listing", "Listings"]

_LARGE = 1000
"""Directories with fewer names are read each time: that takes less than a millisecond."""

_MAX_NAMES = 400_000
"""In all listings that are kept: some tens of megabytes."""

_TICK_SECONDS = 2.0
"""No file system has coarser times."""

_MAX_SEEN = 1024

_State = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a directory held at one moment.

    Attributes:
        names: in byte order.
        files: those of them that are no directories.
    """

    names: list[str]
    files: frozenset[str]

    def entries(self, start_after: str) -> Iterator[Entry]:
        """Yield the entries whose names are greater than `start_after`."""
        names = self.names
        for index in range(bisect_right(names, start_after), len(names)):
            name = names[index]
            yield Entry(name=name, is_directory=name not in self.files)


class Listings:
    """Listings of one store. May be used by several threads at once."""

    def __init__(self) -> None:
        """Begin with nothing kept."""
        self._lock = Lock()
        self._kept: LRUCache[str, tuple[_State, Listing]] = LRUCache(
            _MAX_NAMES, getsizeof=lambda kept: len(kept[1].names)
        )
        # Of large directories, the times that were last seen, and when that was first.
        self._seen: LRUCache[str, tuple[_State, float]] = LRUCache(_MAX_SEEN)

    def list(self, directory: str) -> Listing:
        """Return what a directory holds now.

        Raises:
            OSError: it cannot be read, or is none.
        """
        state = _look_at(directory)
        with self._lock:
            kept = self._kept.get(directory)
            if kept is not None and kept[0] == state:
                return kept[1]
            settled = self._is_settled(directory, state)
        listing = _read(directory)
        if len(listing.names) < _LARGE or len(listing.names) > _MAX_NAMES:
            return listing
        with self._lock:
            if settled and _look_at(directory) == state:
                self._kept[directory] = (state, listing)
            elif self._seen.get(directory, (None, 0.0))[0] != state:
                self._seen[directory] = (state, time.monotonic())
        return listing

    def _is_settled(self, directory: str, state: _State) -> bool:
        """Say whether a change from now on will show in the times of the directory."""
        seen = self._seen.get(directory)
        if seen is None or seen[0] != state:
            return False
        return time.monotonic() - seen[1] > _TICK_SECONDS


def _look_at(directory: str) -> _State:
    found = os.stat(directory)
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _read(directory: str) -> Listing:
    names: list[str] = []
    files: list[str] = []
    with os.scandir(directory) as scan:
        for item in scan:
            if not item.is_dir():
                if is_temporary(item):
                    continue
                files.append(item.name)
            names.append(item.name)
    names.sort()
    return Listing(names, frozenset(files))
