"""Limits that all processes of all nodes count together, in Redis."""

import math
import os
from collections.abc import Sequence

from anyio import CancelScope, sleep

from api.limits.limiter import Limiter, Rates, Ticket
from api.limits.redis_calls import RedisCalls
from core.access.short_key import short_key
from core.errors import TooManyRequests

__all__ = ["RedisLimiter"]

_PREFIX = "moorage:limit:"
_MICRO = 1_000_000
_ID_BYTES = 12

LEASE_SECONDS = 120
"""So long an upload counts that nobody says anything more of: its process may have died."""

_RENEWAL_SECONDS = 40

_ENTER = """
-- The clock is that of Redis, the same for all nodes. Times are in microseconds.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local request, request_period, byte_period = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local uploads, ticket, lease = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local kept = redis.call('HMGET', KEYS[1], 'requests', 'bytes')
local requests_full_at = math.max(tonumber(kept[1] or 0), now) + request
local bytes_full_at = math.max(tonumber(kept[2] or 0), now)
local excess = bytes_full_at - now - byte_period
if request > 0 then
  excess = math.max(excess, requests_full_at - now - request_period)
end
if excess > 0 then
  return excess
end
if ticket ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  if redis.call('ZCARD', KEYS[2]) >= uploads then
    return 1
  end
  redis.call('ZADD', KEYS[2], string.format('%.0f', now + lease), ticket)
  redis.call('PEXPIRE', KEYS[2], math.ceil(lease / 1000))
end
if request > 0 then
  redis.call('HSET', KEYS[1], 'requests', string.format('%.0f', requests_full_at))
  local full_at = math.max(requests_full_at, bytes_full_at)
  redis.call('PEXPIRE', KEYS[1], math.ceil((full_at - now) / 1000) + 1000)
end
return 0
"""

_LEAVE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost, ticket = tonumber(ARGV[1]), ARGV[2]
if ticket ~= '' then
  redis.call('ZREM', KEYS[2], ticket)
end
if cost > 0 then
  local kept = redis.call('HMGET', KEYS[1], 'requests', 'bytes')
  local requests_full_at = math.max(tonumber(kept[1] or 0), now)
  local bytes_full_at = math.max(tonumber(kept[2] or 0), now) + cost
  redis.call('HSET', KEYS[1], 'bytes', string.format('%.0f', bytes_full_at))
  local full_at = math.max(requests_full_at, bytes_full_at)
  redis.call('PEXPIRE', KEYS[1], math.ceil((full_at - now) / 1000) + 1000)
end
return 0
"""

_RENEW = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local lease = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], 'XX', string.format('%.0f', now + lease), ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.ceil(lease / 1000))
return 0
"""


class RedisLimiter(Limiter):
    """Decides in Redis, by one script for each request that comes and one for each that goes.

    Where Redis is away, slow or full, requests are let in uncounted: limits are there so that
    clients share a service that works. The log says when that begins and when it ends.
    """

    def __init__(self, rates: Rates, calls: RedisCalls) -> None:
        """Count with these calls, which are closed with this."""
        self._calls = calls
        self._enter, self._leave, self._renew = map(calls.script, (_ENTER, _LEAVE, _RENEW))
        self._concurrent_uploads = rates.concurrent_uploads
        self._byte_seconds = rates.byte_seconds
        self._arguments = [
            math.ceil(rates.request_seconds * _MICRO),
            math.floor(rates.request_period_seconds * _MICRO),
            math.floor(rates.byte_period_seconds * _MICRO),
            rates.concurrent_uploads,
        ]
        self._under_way: dict[str, Ticket] = {}

    async def enter(self, subject: str, *, is_upload: bool) -> Ticket:
        """Let a request in, as `Limiter` says."""
        upload = os.urandom(_ID_BYTES).hex() if is_upload and self._concurrent_uploads else None
        ticket = Ticket(subject=subject, upload=upload)
        lease = LEASE_SECONDS * _MICRO
        excess = await self._calls.ask(
            lambda: self._enter(_keys_of(subject), [*self._arguments, upload or "", lease])
        )
        if isinstance(excess, int) and excess > 0:
            raise TooManyRequests(retry_after_seconds=math.ceil(excess / _MICRO))
        if upload is not None:
            self._under_way[upload] = ticket
        return ticket

    async def leave(self, ticket: Ticket, transferred_bytes: int) -> None:
        """Take note of the end of a request."""
        if ticket.upload is not None:
            del self._under_way[ticket.upload]
        cost = math.ceil(transferred_bytes * self._byte_seconds * _MICRO)
        if cost or ticket.upload is not None:
            keys = _keys_of(ticket.subject)
            with CancelScope(shield=True):
                await self._calls.ask(lambda: self._leave(keys, [cost, ticket.upload or ""]))

    async def run(self) -> None:
        """Say from time to time that uploads are still under way."""
        while True:
            await sleep(_RENEWAL_SECONDS)
            for upload, ticket in list(self._under_way.items()):
                await self._renew_lease(upload, ticket)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._calls.aclose()

    async def _renew_lease(self, upload: str, ticket: Ticket) -> None:
        keys, lease = _keys_of(ticket.subject)[1:], LEASE_SECONDS * _MICRO
        await self._calls.ask(lambda: self._renew(keys, [upload, lease]))


def _keys_of(subject: str) -> Sequence[str]:
    # Names of users come from elsewhere, and may be of any length and have any characters.
    key = short_key(subject)
    return [f"{_PREFIX}{{{key}}}:buckets", f"{_PREFIX}{{{key}}}:uploads"]
