"""Failed logins that all processes of all nodes count together, in Redis."""

from api.limits.logins import Delays, MemoryLoginThrottle, too_early
from api.limits.redis_calls import RedisCalls
from core.access.passwords.throttle import LoginThrottle

__all__ = ["RedisLoginThrottle"]

_PREFIX = "moorage:login:"
_MILLI = 1000

_CHECK = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wait = 0
for _, key in ipairs(KEYS) do
  wait = math.max(wait, tonumber(redis.call('HGET', key, 'until') or 0) - now)
end
return wait
"""

_FAILED = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local memory, longest = tonumber(ARGV[1]), tonumber(ARGV[2])
for place, key in ipairs(KEYS) do
  local over = redis.call('HINCRBY', key, 'failures', 1) - tonumber(ARGV[2 + place])
  if over >= 0 then
    local delay = math.min(2 ^ math.min(over, 62), longest)
    redis.call('HSET', key, 'until', string.format('%.0f', now + delay * 1000))
  end
  redis.call('PEXPIRE', key, memory)
end
return 0
"""

_SUCCEEDED = "return redis.call('DEL', KEYS[1])"


class RedisLoginThrottle(LoginThrottle):
    """Decides in Redis; where that is away, slow or full, each process by what it has seen itself.

    Other limits let everybody in then. Passwords do not get easier to guess by an outage.
    """

    def __init__(self, delays: Delays, calls: RedisCalls, *, max_entries: int) -> None:
        """Count with these calls, which are closed with this."""
        self._delays = delays
        self._calls = calls
        self._check, self._failed, self._succeeded = map(
            calls.script, (_CHECK, _FAILED, _SUCCEEDED)
        )
        self._own = MemoryLoginThrottle(delays, max_entries=max_entries)

    async def check(self, address: str, user: str) -> None:
        """Return if a password may be tried now, as `LoginThrottle` says."""
        keys, _ = self._keys_of(address, user)
        wait = await self._calls.ask(lambda: self._check(keys))
        if not isinstance(wait, int):
            await self._own.check(address, user)
        elif wait > 0:
            raise too_early(wait / _MILLI)

    async def failed(self, address: str, user: str) -> None:
        """Count a failure."""
        await self._own.failed(address, user)
        keys, free = self._keys_of(address, user)
        times = [self._delays.memory_seconds * _MILLI, self._delays.max_seconds]
        await self._calls.ask(lambda: self._failed(keys, [*times, *free]))

    async def succeeded(self, address: str, user: str) -> None:
        """Forget the failures of the pair."""
        await self._own.succeeded(address, user)
        if self._delays.free:
            keys, _ = self._keys_of(address, user)
            await self._calls.ask(lambda: self._succeeded(keys[:1]))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._calls.aclose()

    def _keys_of(self, address: str, user: str) -> tuple[list[str], list[int]]:
        found = list(self._delays.keys(address, user))
        return [f"{_PREFIX}{key}" for key, _ in found], [free for _, free in found]
