"""Descriptors in a real Redis that is down, slow, full or right."""

import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from anyio import sleep
from redis.asyncio import Redis
from structlog.testing import capture_logs

from core.digest import Digest
from core.storage.circuit import Circuit
from core.storage.redis_cache import RedisDescriptorCache
from tests.servers.redis import RedisServer, running_redis

__all__: list[str] = []

pytestmark = pytest.mark.needs("redis-server")

_TIMEOUT_SECONDS = 0.3
_PAUSE_SECONDS = 0.5


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def client(shared: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(shared.url) as own:
        await own.config_set("maxmemory", "0")
        await own.flushall()
        yield own
        await own.config_set("maxmemory", "0")


def _open(server: RedisServer, *, ttl_seconds: int = 60) -> RedisDescriptorCache:
    return RedisDescriptorCache(
        server.url,
        ttl_seconds=ttl_seconds,
        timeout_seconds=_TIMEOUT_SECONDS,
        circuit=Circuit(_PAUSE_SECONDS),
        write_circuit=Circuit(_PAUSE_SECONDS),
    )


@pytest.fixture
async def cache(shared: RedisServer, client: Redis) -> AsyncIterator[RedisDescriptorCache]:
    opened = _open(shared)
    yield opened
    await opened.aclose()


def _digest(text: str = "x") -> Digest:
    return Digest.of(text.encode())


async def test_what_one_node_enters_another_finds_until_one_forgets_it(
    cache: RedisDescriptorCache, shared: RedisServer
) -> None:
    other = _open(shared)
    assert await cache.find_size(_digest()) is None
    await cache.remember(_digest(), 7)
    assert await other.find_size(_digest()) == 7
    assert await other.find_size(_digest("y")) is None
    await other.forget(_digest())
    assert await cache.find_size(_digest()) is None
    await other.aclose()


async def test_an_entry_expires_however_often_it_is_used(
    shared: RedisServer, client: Redis
) -> None:
    cache = _open(shared, ttl_seconds=1)
    await cache.remember(_digest(), 7)
    deadline = time.monotonic() + 5
    while await cache.find_size(_digest()) is not None:
        assert time.monotonic() < deadline
        await sleep(0.1)
    await cache.aclose()


async def test_empty_content_is_not_remembered(cache: RedisDescriptorCache, client: Redis) -> None:
    await cache.remember(_digest(), 0)
    assert await client.dbsize() == 0


@pytest.mark.parametrize("value", ["", "0", "-7", "07", "7.0", "1" * 19, "seven", "7\n"])
async def test_what_is_no_size_counts_as_missing(
    cache: RedisDescriptorCache, client: Redis, value: str
) -> None:
    await cache.remember(_digest(), 7)
    (key,) = await client.keys("*")
    await client.set(key, value)
    assert await cache.find_size(_digest()) is None


async def test_a_redis_that_is_killed_costs_one_line_and_no_time_and_comes_back(
    tmp_path: Path,
) -> None:
    with capture_logs() as logs:
        with running_redis(tmp_path) as server:
            cache = _open(server)
            await cache.remember(_digest(), 7)
            assert await cache.find_size(_digest()) == 7
        started = time.monotonic()
        for _ in range(500):
            assert await cache.find_size(_digest()) is None
            await cache.remember(_digest(), 7)
            await cache.forget(_digest())
        assert time.monotonic() - started < 2 * _PAUSE_SECONDS
        assert [line["log_level"] for line in logs] == ["warning"]
        with running_redis(tmp_path, port=server.port):
            deadline = time.monotonic() + 10
            while await cache.find_size(_digest()) is None:
                assert time.monotonic() < deadline
                await cache.remember(_digest(), 7)
            await cache.aclose()
    assert [line["log_level"] for line in logs] == ["warning", "info"]
    assert logs[0]["reason"]


async def test_a_redis_that_hangs_costs_one_timeout_and_comes_back(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server, capture_logs() as logs:
        cache = _open(server)
        await cache.remember(_digest(), 7)
        server.process.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        assert await cache.find_size(_digest()) is None
        assert _TIMEOUT_SECONDS * 0.9 < time.monotonic() - started < _TIMEOUT_SECONDS + 0.5
        started = time.monotonic()
        for _ in range(100):
            assert await cache.find_size(_digest()) is None
        assert time.monotonic() - started < _TIMEOUT_SECONDS / 2
        server.process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + 10
        # The late answer to the first question must not be taken for one to another.
        while await cache.find_size(_digest("y")) is None:
            assert time.monotonic() < deadline
            await cache.remember(_digest("y"), 8)
        assert await cache.find_size(_digest("y")) == 8
        assert await cache.find_size(_digest()) == 7
        await cache.aclose()
    assert [line["log_level"] for line in logs] == ["warning", "info"]


async def test_a_redis_that_is_full_still_gives_what_it_has(
    cache: RedisDescriptorCache, client: Redis
) -> None:
    with capture_logs() as logs:
        await cache.remember(_digest(), 7)
        await client.config_set("maxmemory", "1")
        for number in range(20):
            await cache.remember(_digest(f"{number}"), 8)
            assert await cache.find_size(_digest()) == 7
        assert [line["event"] for line in logs] == ["descriptor cache takes no more entries"]
        await client.config_set("maxmemory", "0")
        deadline = time.monotonic() + 10
        while await cache.find_size(_digest("0")) is None:
            assert time.monotonic() < deadline
            await cache.remember(_digest("0"), 8)
    assert [line["log_level"] for line in logs] == ["warning", "info"]


async def test_a_wrong_password_is_an_outage_that_the_log_does_not_repeat(
    shared: RedisServer, client: Redis
) -> None:
    url = shared.url.replace("127.0.0.1", ":hunter2@127.0.0.1")
    with capture_logs() as logs:
        cache = RedisDescriptorCache(url, ttl_seconds=1, timeout_seconds=1)
        assert await cache.find_size(_digest()) is None
        await cache.remember(_digest(), 7)
        await cache.aclose()
    assert len(logs) == 1
    assert "hunter2" not in repr(logs)
