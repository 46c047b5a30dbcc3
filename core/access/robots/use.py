"""`RobotUse`: when robots last came, written behind the backs of their requests."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Never

import structlog
from anyio import sleep

from core.access.state import AccessState
from core.errors import DriverError

__all__ = ["WRITE_SECONDS", "RobotUse"]

WRITE_SECONDS: Final = 60

_log = structlog.get_logger()


class RobotUse:
    """Notes uses in memory, and writes the last of each robot at most once a minute."""

    def __init__(
        self,
        state: AccessState,
        *,
        now: Callable[[], float] = time.time,
        wait: Callable[[float], Awaitable[object]] = sleep,
    ) -> None:
        """Prepare; nothing is written before `run` or `write`.

        Args:
            state: where it is written.
            now: the clock.
            wait: sleeps for a number of seconds.
        """
        self._state = state
        self._now = now
        self._wait = wait
        self._used: dict[str, float] = {}

    def note(self, name: str) -> None:
        """Note that a robot was here just now."""
        self._used[name] = self._now()

    async def run(self) -> Never:
        """Write once a minute until cancelled; nothing that the store does ends it."""
        while True:
            await self._wait(WRITE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Write what was noted since the last time. What cannot be written is logged."""
        used, self._used = self._used, {}
        for name, at in used.items():
            content = datetime.fromtimestamp(int(at), UTC).isoformat().encode("ascii")
            try:
                await self._state.driver.put(self._state.paths.used(name), content)
            except DriverError as error:
                _log.warning("use of a robot was not written", robot=name, reason=str(error))
