"""Limits in a real Redis that is shared, down, slow or full."""

import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from anyio import CancelScope, create_task_group, sleep
from redis.asyncio import Redis
from structlog.testing import capture_logs

from api.limits import redis_limiter
from api.limits.limiter import Rates
from api.limits.redis_calls import RedisCalls
from api.limits.redis_limiter import RedisLimiter
from api.settings.limits import LimitsSettings
from core.errors import TooManyRequests
from core.storage.circuit import Circuit
from tests.servers.redis import RedisServer

__all__: list[str] = []

pytestmark = pytest.mark.needs("redis-server")

_TIMEOUT_SECONDS = 0.3
_PAUSE_SECONDS = 0.5


def _open(server: RedisServer, **limits: int) -> RedisLimiter:
    calls = RedisCalls(
        server.url,
        timeout_seconds=_TIMEOUT_SECONDS,
        what="the limit",
        circuit=Circuit(_PAUSE_SECONDS),
    )
    return RedisLimiter(Rates.of(LimitsSettings.model_validate(limits)), calls)


@pytest.fixture
async def nodes(redis_server: RedisServer, client: Redis) -> AsyncIterator[list[RedisLimiter]]:
    """Two that count together."""
    limits = {"requests": 4, "requests_period_seconds": 20, "concurrent_uploads": 2}
    more = {"transferred_bytes": 1000, "transferred_period_seconds": 100}
    opened = [_open(redis_server, **limits, **more) for _ in range(2)]
    yield opened
    for limiter in opened:
        await limiter.aclose()


async def _wait_of(limiter: RedisLimiter, subject: str = "user:ann", sent: int = 0) -> int:
    try:
        ticket = await limiter.enter(subject, is_upload=False)
    except TooManyRequests as error:
        return error.retry_after_seconds
    await limiter.leave(ticket, sent)
    return 0


async def test_nodes_count_requests_together_and_let_in_whoever_waited_as_told(
    nodes: list[RedisLimiter],
) -> None:
    first, second = nodes
    assert [await _wait_of(node) for node in (first, second, first, second)] == [0, 0, 0, 0]
    wait = await _wait_of(first)
    assert 4 <= wait <= 5
    assert await _wait_of(second) in {wait, wait - 1}
    assert await _wait_of(second, "user:bob") == 0
    await sleep(wait - 1.2)
    assert await _wait_of(second) in {1, 2}
    await sleep(1.2)
    assert await _wait_of(second) == 0
    assert await _wait_of(first) >= 4


async def test_nodes_count_bytes_together(nodes: list[RedisLimiter]) -> None:
    first, second = nodes
    assert await _wait_of(first, sent=900) == 0
    assert await _wait_of(second, sent=700) == 0
    assert 59 <= await _wait_of(first) <= 60


async def test_nodes_count_uploads_together(nodes: list[RedisLimiter]) -> None:
    first, second = nodes
    ticket = await first.enter("user:ann", is_upload=True)
    await second.enter("user:ann", is_upload=True)
    with pytest.raises(TooManyRequests) as caught:
        await second.enter("user:ann", is_upload=True)
    assert caught.value.retry_after_seconds == 1
    await first.leave(ticket, 0)
    await second.enter("user:ann", is_upload=True)


async def test_uploads_of_a_node_that_died_are_forgotten_and_those_of_others_are_not(
    redis_server: RedisServer, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_limiter, "LEASE_SECONDS", 1)
    monkeypatch.setattr(redis_limiter, "_RENEWAL_SECONDS", 0.3)
    async with AsyncExitStack() as stack, create_task_group() as tasks:
        alive, dead = (_open(redis_server, concurrent_uploads=2) for _ in range(2))
        stack.push_async_callback(alive.aclose)
        stack.push_async_callback(dead.aclose)
        tasks.start_soon(alive.run)
        await alive.enter("user:ann", is_upload=True)
        await dead.enter("user:ann", is_upload=True)
        await sleep(1.5)
        await alive.enter("user:ann", is_upload=True)
        with pytest.raises(TooManyRequests):
            await alive.enter("user:ann", is_upload=True)
        tasks.cancel_scope.cancel()


async def test_everything_that_is_kept_expires(nodes: list[RedisLimiter], client: Redis) -> None:
    ticket = await nodes[0].enter("user:{ann}\r\n" * 100, is_upload=True)
    await nodes[0].leave(ticket, 500)
    await nodes[0].enter("user:bob", is_upload=True)
    keys = [key async for key in client.scan_iter()]
    assert len(keys) == 3
    for key in keys:
        assert len(key) < 80
        assert 0 < await client.pttl(key) <= 121_000


async def test_where_redis_is_away_everybody_is_let_in_and_the_log_tells_once(
    nodes: list[RedisLimiter], redis_server: RedisServer
) -> None:
    limiter = nodes[0]
    assert await _wait_of(limiter) == 0
    redis_server.process.send_signal(signal.SIGSTOP)
    try:
        with capture_logs() as lines:
            started = time.monotonic()
            ticket = await limiter.enter("user:ann", is_upload=True)
            assert time.monotonic() - started < _TIMEOUT_SECONDS + 0.5
            started = time.monotonic()
            assert [await _wait_of(limiter, sent=500) for _ in range(50)] == [0] * 50
            assert time.monotonic() - started < _TIMEOUT_SECONDS * 3
            await limiter.leave(ticket, 0)
    finally:
        redis_server.process.send_signal(signal.SIGCONT)
    assert [line["log_level"] for line in lines] == ["warning"]
    assert lines[0]["reason"] == f"no answer in {_TIMEOUT_SECONDS} seconds"
    await sleep(_PAUSE_SECONDS + 0.1)
    with capture_logs() as lines:
        while not lines:
            await _wait_of(limiter)
            await sleep(0.05)
    assert lines[0]["event"] == "Redis is back; the limit goes on with it"


async def test_where_redis_is_full_everybody_is_let_in(
    nodes: list[RedisLimiter], client: Redis
) -> None:
    await client.config_set("maxmemory", "1")
    with capture_logs() as lines:
        assert [await _wait_of(nodes[0]) for _ in range(10)] == [0] * 10
    assert "used memory > 'maxmemory'" in lines[0]["reason"]


async def test_a_request_that_is_cancelled_leaves_all_the_same(
    nodes: list[RedisLimiter], client: Redis
) -> None:
    ticket = await nodes[0].enter("user:ann", is_upload=True)
    has_left = False
    # Redis answers so late that the cancellation comes first.
    await client.client_pause(100)
    with CancelScope() as scope:
        scope.cancel()
        await nodes[0].leave(ticket, 1500)
        has_left = True
    assert has_left
    assert 49 <= await _wait_of(nodes[1]) <= 50
