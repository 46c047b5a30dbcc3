"""From settings to what keeps to them."""

from api.limits.limiter import Limiter, Rates
from api.limits.logins import Delays, MemoryLoginThrottle
from api.limits.memory import MemoryLimiter
from api.limits.redis_calls import RedisCalls
from api.limits.redis_limiter import RedisLimiter
from api.limits.redis_logins import RedisLoginThrottle
from api.settings.limits import LimitsSettings
from core.access.passwords.throttle import LoginThrottle, NoThrottle

__all__ = ["create_limiter", "create_login_throttle"]


def create_limiter(settings: LimitsSettings) -> Limiter | None:
    """Return what counts requests, or None where nothing is limited and nothing is counted."""
    if not (settings.requests or settings.transferred_bytes or settings.concurrent_uploads):
        return None
    rates = Rates.of(settings)
    if settings.driver == "memory":
        return MemoryLimiter(rates, max_subjects=settings.max_clients)
    return RedisLimiter(rates, _open_redis(settings, "the limit of requests"))


def create_login_throttle(settings: LimitsSettings) -> LoginThrottle:
    """Return what counts failed logins."""
    delays = Delays.of(settings)
    if not (delays.free or delays.free_per_address):
        return NoThrottle()
    if settings.driver == "memory":
        return MemoryLoginThrottle(delays, max_entries=settings.max_clients)
    calls = _open_redis(settings, "the limit of failed logins")
    return RedisLoginThrottle(delays, calls, max_entries=settings.max_clients)


def _open_redis(settings: LimitsSettings, what: str) -> RedisCalls:
    return RedisCalls(settings.redis_url, timeout_seconds=settings.timeout_seconds, what=what)
