"""Wrong passwords make the next attempt wait, as one process counts them."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cachetools import TTLCache

from api.settings.limits import LimitsSettings
from core.access.networks import network_of
from core.access.passwords.throttle import LoginThrottle
from core.access.short_key import short_key
from core.errors import TooManyRequests

__all__ = ["Delays", "MemoryLoginThrottle", "too_early"]

_MAX_EXPONENT = 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long failed logins make the next one wait.

    Attributes:
        free: failures of one user from one address that cost nothing; 0 for no limit.
        free_per_address: the same for all users from one address together.
        max_seconds: the longest delay.
        memory_seconds: after so long without a failure all of them are forgotten.
    """

    free: int
    free_per_address: int
    max_seconds: int
    memory_seconds: int

    @classmethod
    def of(cls, settings: LimitsSettings) -> "Delays":
        """Return what the settings say."""
        return cls(
            free=settings.failed_logins,
            free_per_address=settings.failed_logins_per_address,
            max_seconds=settings.failed_login_max_delay_seconds,
            memory_seconds=2 * settings.failed_login_max_delay_seconds,
        )

    def seconds_after(self, failures: int, free: int) -> int:
        """Return the delay behind the last of so many failures: 0, and then 1, 2, 4 and so on."""
        if failures < free:
            return 0
        return min(1 << min(failures - free, _MAX_EXPONENT), self.max_seconds)

    def keys(self, address: str, user: str) -> Iterator[tuple[str, int]]:
        """Yield what failures are counted by, and how many cost nothing; the pair comes first."""
        network = network_of(address)
        if self.free:
            yield short_key(network, user), self.free
        if self.free_per_address:
            yield short_key(network), self.free_per_address


def too_early(wait_seconds: float) -> TooManyRequests:
    """Return the error of an attempt that comes so long before the next one may."""
    return TooManyRequests(
        retry_after_seconds=math.ceil(wait_seconds),
        reason="too many wrong passwords from this address",
    )


class MemoryLoginThrottle(LoginThrottle):
    """Counts in this process, for the last to have failed. Not for threads."""

    def __init__(
        self, delays: Delays, *, max_entries: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nobody known."""
        self._delays = delays
        self._clock = clock
        self._failures: TTLCache[str, tuple[int, float]] = TTLCache(
            max_entries, delays.memory_seconds, timer=clock
        )

    async def check(self, address: str, user: str) -> None:
        """Return if a password may be tried now, as `LoginThrottle` says."""
        now = self._clock()
        keys = self._delays.keys(address, user)
        wait = max((self._failures.get(key, (0, now))[1] - now for key, _ in keys), default=0)
        if wait > 0:
            raise too_early(wait)

    async def failed(self, address: str, user: str) -> None:
        """Count a failure."""
        now = self._clock()
        for key, free in self._delays.keys(address, user):
            failures = self._failures.get(key, (0, now))[0] + 1
            self._failures[key] = (failures, now + self._delays.seconds_after(failures, free))

    async def succeeded(self, address: str, user: str) -> None:
        """Forget the failures of the pair."""
        if self._delays.free:
            key, _ = next(self._delays.keys(address, user))
            self._failures.pop(key, None)

    async def aclose(self) -> None:
        """Return: nothing is open."""
