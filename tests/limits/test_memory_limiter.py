"""Limits that one process counts by itself, over a clock of the test."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.limits.limiter import Rates
from api.limits.memory import MemoryLimiter
from api.settings.limits import LimitsSettings
from core.errors import TooManyRequests
from tests.limits.conftest import Clock

__all__: list[str] = []


def _limiter(clock: Clock, max_subjects: int = 1000, **limits: int) -> MemoryLimiter:
    rates = Rates.of(LimitsSettings.model_validate(limits))
    return MemoryLimiter(rates, max_subjects=max_subjects, clock=clock)


async def _wait_of(
    limiter: MemoryLimiter, subject: str = "user:ann", *, upload: bool = False
) -> int:
    """Return how long the next request has to wait; 0 for one that was let in, and has left."""
    try:
        ticket = await limiter.enter(subject, is_upload=upload)
    except TooManyRequests as error:
        return error.retry_after_seconds
    await limiter.leave(ticket, 0)
    return 0


async def test_a_subject_may_ask_for_all_at_once_and_then_as_time_goes_by(clock: Clock) -> None:
    limiter = _limiter(clock, requests=4, requests_period_seconds=60)
    assert [await _wait_of(limiter) for _ in range(6)] == [0, 0, 0, 0, 15, 15]
    clock.now += 14.9
    assert await _wait_of(limiter) == 1
    clock.now += 0.2
    assert [await _wait_of(limiter) for _ in range(2)] == [0, 15]
    clock.now += 3600
    assert [await _wait_of(limiter) for _ in range(5)] == [0, 0, 0, 0, 15]


async def test_what_one_subject_asks_for_costs_no_other(clock: Clock) -> None:
    limiter = _limiter(clock, requests=1)
    assert await _wait_of(limiter, "user:ann") == 0
    assert await _wait_of(limiter, "user:ann") == 60
    assert await _wait_of(limiter, "user:bob") == 0


async def test_bytes_are_counted_when_a_request_is_over_and_made_up_for_in_time(
    clock: Clock,
) -> None:
    limiter = _limiter(clock, transferred_bytes=1000, transferred_period_seconds=100)
    running = await limiter.enter("user:ann", is_upload=False)
    ticket = await limiter.enter("user:ann", is_upload=False)
    await limiter.leave(ticket, 900)
    assert await _wait_of(limiter) == 0
    await limiter.leave(running, 600)
    assert await _wait_of(limiter) == 50
    clock.now += 49
    assert await _wait_of(limiter) == 1
    clock.now += 1
    assert await _wait_of(limiter) == 0


async def test_whoever_has_to_wait_for_two_reasons_waits_for_both(clock: Clock) -> None:
    limiter = _limiter(clock, transferred_bytes=10, transferred_period_seconds=10, requests=2)
    await limiter.leave(await limiter.enter("user:ann", is_upload=False), 60)
    assert await _wait_of(limiter) == 50
    clock.now += 50
    assert await _wait_of(limiter) == 0
    await limiter.leave(await limiter.enter("user:ann", is_upload=False), 25)
    assert await _wait_of(limiter) == 30


async def test_uploads_under_way_are_bounded_and_other_requests_are_not(clock: Clock) -> None:
    limiter = _limiter(clock, concurrent_uploads=2)
    tickets = [await limiter.enter("user:ann", is_upload=True) for _ in range(2)]
    clock.now += 10_000
    assert await _wait_of(limiter, upload=True) == 1
    assert await _wait_of(limiter, upload=False) == 0
    assert await _wait_of(limiter, "user:bob", upload=True) == 0
    await limiter.leave(tickets[0], 10)
    assert await _wait_of(limiter, upload=True) == 0
    await limiter.leave(tickets[1], 10)
    assert not limiter._uploads


async def test_a_refused_upload_costs_no_request(clock: Clock) -> None:
    limiter = _limiter(clock, concurrent_uploads=1, requests=2)
    await limiter.enter("user:ann", is_upload=True)
    for _ in range(5):
        assert await _wait_of(limiter, upload=True) == 1
    assert await _wait_of(limiter) == 0


@given(
    st.integers(1, 50),
    st.integers(1, 5000),
    st.lists(st.floats(0, 100), max_size=60),
)
async def test_who_waits_as_long_as_told_is_let_in_and_who_waits_less_is_not(
    requests: int, period: int, pauses: list[float]
) -> None:
    clock = Clock()
    limiter = _limiter(clock, requests=requests, requests_period_seconds=period)
    for pause in pauses:
        clock.now += pause
        wait = await _wait_of(limiter)
        if wait:
            if wait > 1:
                clock.now += wait - 1.001
                assert await _wait_of(limiter) > 0
                clock.now += 1.001
            else:
                clock.now += wait
            assert await _wait_of(limiter) == 0


@pytest.mark.slow
async def test_a_million_subjects_take_no_more_memory_than_those_that_are_remembered(
    clock: Clock,
) -> None:
    limiter = _limiter(clock, 10_000, requests=10, transferred_bytes=10, concurrent_uploads=10)
    for number in range(20_000):
        await limiter.leave(await limiter.enter(f"address:{number}", is_upload=True), 5)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(100_000):
            await limiter.leave(await limiter.enter(f"address:x{number}", is_upload=True), 5)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    for number in range(900_000):
        await limiter.leave(await limiter.enter(f"address:y{number}", is_upload=True), 5)
    assert after - before < 5_000_000
    assert len(limiter._accounts) == 10_000
    assert not limiter._uploads


async def test_those_that_come_again_are_not_forgotten_for_those_that_come_once(
    clock: Clock,
) -> None:
    limiter = _limiter(clock, 100, requests=1)
    assert await _wait_of(limiter, "user:ann") == 0
    for number in range(1000):
        await _wait_of(limiter, f"address:{number}")
        if number % 50 == 0:
            assert await _wait_of(limiter, "user:ann") == 60
