"""`WatchedFile`: what a file says now, without asking the disk each time."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog
from anyio import Lock, to_thread

from core.access.file_stamp import FileStamp
from core.errors import AccessUnavailable

__all__ = ["WatchedFile"]

_LOOK_SECONDS = 1.0

_Value = TypeVar("_Value")
_log = structlog.get_logger()


class WatchedFile(Generic[_Value]):
    """The parsed content of a file, read again within a second of its change.

    A file that has become unreadable or faulty changes nothing: what was read before stays in
    force, and a line in the log says so once.

    Attributes:
        generation: how often what is in force has changed.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], _Value],
        *,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read nothing yet.

        Args:
            path: of the file.
            parse: makes the value of the content, in a thread; raises ValueError for a fault.
            max_bytes: of the file; a larger one is a fault.
            clock: in seconds.
        """
        self.generation = 0
        self._path = path
        self._parse = parse
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = Lock()
        self._looked_at: float | None = None
        self._stamp: FileStamp | None = None
        self._value: _Value | None = None
        self._fault = "it has not been read"

    async def load(self) -> None:
        """Read it, so that a fault shows before anybody asks.

        Raises:
            ValueError: it cannot be read, or says nothing that can be used; names the file.
        """
        await self._look()
        if self._value is None:
            raise ValueError(f"{self._path}: {self._fault}")

    async def get(self) -> _Value:
        """Return what it says.

        Raises:
            AccessUnavailable: nothing that could be used has ever been read from it.
        """
        if self._looked_at is None or self._clock() - self._looked_at >= _LOOK_SECONDS:
            async with self._lock:
                if self._looked_at is None or self._clock() - self._looked_at >= _LOOK_SECONDS:
                    await self._look()
        if self._value is None:
            raise AccessUnavailable(f"{self._path}: {self._fault}")
        return self._value

    async def _look(self) -> None:
        looked_at = self._clock()
        try:
            changed = await to_thread.run_sync(self._read_changed)
        except (OSError, ValueError) as error:
            fault = (error.strerror or "") if isinstance(error, OSError) else str(error)
            if fault != self._fault:
                self._fault = fault
                _log.error(
                    "a file cannot be used",
                    path=str(self._path),
                    reason=fault,
                    old_in_force=self._value is not None,
                )
        else:
            if changed is not None:
                self._value = changed
                self.generation += 1
            self._fault = ""
        self._looked_at = looked_at

    def _read_changed(self) -> _Value | None:
        """Return what the file says if it is another than the last time; runs in a thread."""
        with self._path.open("rb") as file:
            stamp = FileStamp.of(os.fstat(file.fileno()))
            if stamp == self._stamp:
                return None
            content = file.read(self._max_bytes + 1)
        if len(content) > self._max_bytes:
            raise ValueError(f"larger than {self._max_bytes} bytes")
        value = self._parse(content)
        # A faulty file is read each time, as one that is being written looks the same after it.
        self._stamp = stamp
        return value
