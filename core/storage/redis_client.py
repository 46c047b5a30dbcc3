"""The one way in which a client of Redis is made here."""

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

__all__ = ["open_redis"]

_MAX_CONNECTIONS = 1000
"""More than requests are under way at once: a call that finds no connection free is no outage."""


def open_redis(url: str) -> Redis:
    """Return a client for callers that have deadlines and do without Redis for a while.

    It neither tries again nor has a deadline of its own, and connects with the first call.

    Raises:
        ValueError: the URL is none of Redis.
    """
    pool = ConnectionPool.from_url(
        url,
        max_connections=_MAX_CONNECTIONS,
        # The deadline of a call is kept by its caller and covers all that it takes.
        socket_timeout=None,
        socket_connect_timeout=None,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    client: Redis = Redis.from_pool(pool)
    return client
