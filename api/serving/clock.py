"""`Clock`: the one deadline that a connection has at a time."""

import asyncio
from collections.abc import Callable

__all__ = ["Clock"]

_CLOSE_ENOUGH_SECONDS = 0.001


class Clock:
    """A deadline that is set and stopped with every request, for next to nothing.

    A timer of the event loop costs a request as much as two calls of the system. So a timer that
    was begun is left running: what it finds when it ends says whether it was in time, too early,
    or for nothing.

    Attributes:
        is_set: whether a deadline runs.
    """

    __slots__ = ("_at", "_loop", "_then", "_timer", "_timer_at", "is_set")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin with no deadline."""
        self.is_set = False
        self._loop = loop
        self._at = 0.0
        self._then: Callable[[], object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def set(self, seconds: float, then: Callable[[], object]) -> None:
        """Call `then` once in so many seconds, instead of what was set before."""
        self.is_set = True
        self._then = then
        self._at = at = self._loop.time() + seconds
        if self._timer is not None and self._timer_at > at:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._begin(seconds)

    def stop(self) -> None:
        """Call nothing."""
        self.is_set = False
        self._then = None

    def close(self) -> None:
        """Call nothing, and let go of the timer."""
        self.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self, seconds: float) -> None:
        self._timer_at = self._at
        self._timer = self._loop.call_later(seconds, self._end)

    def _end(self) -> None:
        self._timer = None
        then = self._then
        if then is None:
            return
        left = self._at - self._loop.time()
        if left > _CLOSE_ENOUGH_SECONDS:
            self._begin(left)
        else:
            self.stop()
            then()
