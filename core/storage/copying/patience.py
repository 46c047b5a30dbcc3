"""`Patience`: what a long piece of work bears of a store that fails."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio import sleep

from core.errors import DriverError, DriverUnavailable, StorageFull
from core.storage.copying.copy_tally import CopyTally

__all__ = ["Patience"]

_ATTEMPTS = 3
_MAX_FAILURES_IN_A_ROW = 10
"""After so many things in a row that failed, the store is taken to be out of order."""

T = TypeVar("T")


class Patience:
    """Tries again what may succeed, reports what did not, and gives up where nothing succeeds."""

    def __init__(self, tally: CopyTally, *, retry_seconds: float) -> None:
        """Wait `retry_seconds` before the second attempt at a thing, and twice that after it."""
        self._tally = tally
        self._retry_seconds = retry_seconds
        self._failures_in_a_row = 0

    async def attempt(self, subject: str, act: Callable[[], Awaitable[T]]) -> T | None:
        """Return what `act` returns; None where the store failed, which is a fault of `subject`.

        `act` may be called several times.

        Raises:
            StorageFull: there is no room, so nothing else will succeed either.
            DriverError: too many things in a row have failed; this is the last one's.
        """
        try:
            result = await self._retried(act)
        except StorageFull:
            raise
        except DriverError as error:
            self._tally.add_fault(subject, str(error))
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= _MAX_FAILURES_IN_A_ROW:
                raise
            return None
        self._failures_in_a_row = 0
        return result

    async def _retried(self, act: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(_ATTEMPTS - 1):
            try:
                return await act()
            except DriverUnavailable:
                await sleep(self._retry_seconds * 2**attempt)
        return await act()
