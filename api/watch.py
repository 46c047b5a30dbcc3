"""`FileWatch`: files of the host that the service follows while it runs."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from anyio import sleep, to_thread

from core.access.file_stamp import FileStamp

__all__ = ["WATCH_SECONDS", "FileWatch"]

WATCH_SECONDS = 1.0
"""How often a file is looked at."""

_YOUNG_NS = 1_000_000_000
_SETTLE_SECONDS = 0.05
"""So long a file that has just changed has to stay as it is."""

_log = structlog.get_logger()


class FileWatch:
    """Calls back when a file is another one than at the last look, and at the first look.

    So nothing is missed that changed between the reading of a file and that look. Each look, and
    what is called, runs in a thread. A file that is missing for a while is taken to be on its way;
    what is called has to cope with one that is gone again, and one that says what it said before.
    """

    def __init__(self, interval_seconds: float = WATCH_SECONDS) -> None:
        """Watch nothing yet."""
        self._interval_seconds = interval_seconds
        self._watched: list[tuple[Path, Callable[[], None]]] = []
        self._stamps: dict[Path, FileStamp | None] = {}

    def add(self, path: Path, on_change: Callable[[], None]) -> None:
        """Call `on_change` whenever the file at `path` has changed."""
        self._stamps[path] = None
        self._watched.append((path, on_change))

    async def run(self) -> None:
        """Watch until cancelled."""
        while self._watched:
            await sleep(self._interval_seconds)
            await to_thread.run_sync(self.look)

    def look(self) -> None:
        """Look at every file once; one that is being written is left to the next look."""
        changed = _settled(
            {
                path: found
                for path, stamp in self._stamps.items()
                if (found := FileStamp.find(path)) is not None and found != stamp
            }
        )
        self._stamps.update(changed)
        for path, on_change in self._watched:
            if path in changed:
                try:
                    on_change()
                except Exception:  # noqa: BLE001 - the next change may be a better one
                    _log.exception("changed file could not be taken", file=str(path))


def _settled(found: Mapping[Path, FileStamp]) -> Mapping[Path, FileStamp]:
    """Leave out files that go on changing: many editors empty a file before they write it."""
    youngest = max((stamp.changed_ns for stamp in found.values()), default=0)
    if time.time_ns() - youngest < _YOUNG_NS:
        time.sleep(_SETTLE_SECONDS)
    return {path: stamp for path, stamp in found.items() if FileStamp.find(path) == stamp}
