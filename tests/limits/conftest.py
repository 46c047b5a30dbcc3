"""Limiters and throttles of both kinds, over a clock of the test or a real Redis."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from tests.servers.redis import RedisServer, running_redis

__all__ = ["Clock", "client", "clock", "redis_server"]


class Clock:
    """A clock that stands still until it is put forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock of the test."""
    return Clock()


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for the tests of a module."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A client of that Redis, which has nothing in it."""
    async with Redis.from_url(redis_server.url) as own:
        await own.config_set("maxmemory", "0")
        await own.flushall()
        yield own
        await own.config_set("maxmemory", "0")
