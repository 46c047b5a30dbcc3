"""Failed logins, counted in a process and in Redis."""

import signal
from collections.abc import AsyncIterator

import pytest
from anyio import sleep
from redis.asyncio import Redis

from api.limits.logins import Delays, MemoryLoginThrottle
from api.limits.redis_calls import RedisCalls
from api.limits.redis_logins import RedisLoginThrottle
from api.settings.limits import LimitsSettings
from core.access.passwords.throttle import LoginThrottle
from core.errors import TooManyRequests
from core.storage.circuit import Circuit
from tests.limits.conftest import Clock
from tests.servers.redis import RedisServer

__all__: list[str] = []

_HOME = "192.0.2.1"
_DELAYS = Delays(free=3, free_per_address=6, max_seconds=20, memory_seconds=40)


async def _wait_of(throttle: LoginThrottle, address: str, user: str) -> int:
    try:
        await throttle.check(address, user)
    except TooManyRequests as error:
        return error.retry_after_seconds
    return 0


async def _fail(throttle: LoginThrottle, address: str, user: str, times: int) -> list[int]:
    """Fail so often, without heed of the delays, and return what each has the next wait."""
    waits = []
    for _ in range(times):
        await throttle.failed(address, user)
        waits.append(await _wait_of(throttle, address, user))
    return waits


@pytest.fixture
def memory(clock: Clock) -> MemoryLoginThrottle:
    return MemoryLoginThrottle(_DELAYS, max_entries=1000, clock=clock)


@pytest.fixture
async def shared(
    redis_server: RedisServer, client: Redis
) -> AsyncIterator[list[RedisLoginThrottle]]:
    """Those of two nodes."""
    opened = [
        RedisLoginThrottle(
            _DELAYS,
            RedisCalls(redis_server.url, timeout_seconds=0.3, what="it", circuit=Circuit(0.5)),
            max_entries=1000,
        )
        for _ in range(2)
    ]
    yield opened
    for throttle in opened:
        await throttle.aclose()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.needs("redis-server"))])
def throttle(request: pytest.FixtureRequest) -> LoginThrottle:
    """One of each kind."""
    if request.param == "memory":
        found: LoginThrottle = request.getfixturevalue("memory")
    else:
        found = request.getfixturevalue("shared")[0]
    return found


async def test_the_first_failures_cost_nothing_and_each_further_one_doubles_the_delay(
    throttle: LoginThrottle,
) -> None:
    delays = Delays(free=3, free_per_address=0, max_seconds=20, memory_seconds=40)
    assert [delays.seconds_after(n, 3) for n in range(12)] == [0, 0, 0, 1, 2, 4, 8, 16, *[20] * 4]
    assert delays.seconds_after(10**9, 3) == 20
    assert await _wait_of(throttle, _HOME, "ann") == 0
    assert await _fail(throttle, _HOME, "ann", 9) == [0, 0, 1, 2, 4, 8, 16, 20, 20]


async def test_a_success_clears_the_user_at_that_address_and_nobody_else(
    throttle: LoginThrottle,
) -> None:
    assert await _fail(throttle, _HOME, "ann", 4) == [0, 0, 1, 2]
    await throttle.succeeded(_HOME, "ann")
    assert await _fail(throttle, _HOME, "ann", 1) == [0]
    await _fail(throttle, _HOME, "bob", 3)
    await throttle.succeeded(_HOME, "ann")
    # Eight failures of the address, of which six were free.
    assert await _wait_of(throttle, _HOME, "ann") == 4
    assert await _wait_of(throttle, _HOME, "new") == 4
    assert await _fail(throttle, _HOME, "ann", 1) == [8]


async def test_one_address_does_not_keep_a_user_out_elsewhere(throttle: LoginThrottle) -> None:
    await _fail(throttle, "2001:db8:0:1::1", "ann", 10)
    assert await _wait_of(throttle, "2001:db8:0:1:ffff::2", "ann") > 0
    assert await _wait_of(throttle, "2001:db8:0:2::1", "ann") == 0
    assert await _wait_of(throttle, _HOME, "ann") == 0


async def test_a_delay_ends_when_it_was_said_to(memory: MemoryLoginThrottle, clock: Clock) -> None:
    assert await _fail(memory, _HOME, "ann", 5) == [0, 0, 1, 2, 4]
    clock.now += 3.5
    assert await _wait_of(memory, _HOME, "ann") == 1
    clock.now += 0.5
    assert await _wait_of(memory, _HOME, "ann") == 0
    clock.now += 41
    assert await _fail(memory, _HOME, "ann", 3) == [0, 0, 1]


async def test_memory_is_bounded_whatever_users_are_called(
    memory: MemoryLoginThrottle,
) -> None:
    for number in range(5000):
        await memory.failed(f"10.0.{number % 250}.{number // 250}", f"{number}" * 1000)
    assert len(memory._failures) == 1000
    assert all(len(key) == 32 for key in memory._failures)


async def test_no_user_is_taken_for_another_by_where_names_are_cut(
    memory: MemoryLoginThrottle,
) -> None:
    await _fail(memory, "name", "rest", 5)
    assert await _wait_of(memory, "namer", "est") == 0


@pytest.mark.needs("redis-server")
async def test_nodes_count_failed_logins_together_and_all_that_is_kept_expires(
    shared: list[RedisLoginThrottle], client: Redis
) -> None:
    first, second = shared
    await _fail(first, _HOME, "ann", 2)
    assert await _fail(second, _HOME, "ann", 1) == [1]
    assert await _wait_of(first, _HOME, "ann") == 1
    keys = [key async for key in client.scan_iter()]
    assert len(keys) == 2
    for key in keys:
        assert 0 < await client.pttl(key) <= 40_000
    await sleep(1)
    assert await _wait_of(first, _HOME, "ann") == 0


@pytest.mark.needs("redis-server")
async def test_without_redis_each_node_goes_by_what_it_has_seen_itself(
    shared: list[RedisLoginThrottle], redis_server: RedisServer
) -> None:
    first, second = shared
    await _fail(first, _HOME, "ann", 5)
    redis_server.process.send_signal(signal.SIGSTOP)
    try:
        assert await _wait_of(first, _HOME, "ann") in {3, 4}
        assert await _wait_of(second, _HOME, "ann") == 0
        assert await _fail(second, _HOME, "bob", 4) == [0, 0, 1, 2]
    finally:
        redis_server.process.send_signal(signal.SIGCONT)


def test_failed_logins_are_slowed_down_unless_told_otherwise() -> None:
    assert Delays.of(LimitsSettings()).free == 5
