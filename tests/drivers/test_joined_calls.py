"""Calls that are made together: who gets which fault, and what becomes of those that wait."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import chain

import pytest
from anyio import CancelScope, create_task_group, fail_after, sleep

from core.drivers.filesystem.joined_calls import JoinedCalls
from core.drivers.filesystem.thread_pool import ThreadPool

__all__: list[str] = []


class Work:
    """What is done together: each number once, and an odd one fails."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self.running = 0

    def __call__(self, numbers: Sequence[int]) -> list[Exception | None]:
        self.running += 1
        assert self.running == 1
        self.groups.append(list(numbers))
        assert self.may_end.wait(5)
        time.sleep(0.005)
        self.running -= 1
        if 1000 in numbers:
            raise LookupError("all of it")
        return [LookupError(str(number)) if number % 2 else None for number in numbers]


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(4)
    yield pool
    pool.close()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def joined(pool: ThreadPool, work: Work) -> JoinedCalls[int]:
    return JoinedCalls(pool, work)


async def test_what_comes_while_others_run_is_done_together(
    joined: JoinedCalls[int], work: Work
) -> None:
    async with create_task_group() as tasks:
        for number in (0, 2):
            tasks.start_soon(joined.run, number)
        await sleep(0.002)
        for number in (4, 6, 8):
            tasks.start_soon(joined.run, number)
    assert work.groups == [[0, 2], [4, 6, 8]]
    await joined.run(10)
    assert work.groups[2:] == [[10]]


async def test_each_gets_its_own_fault(joined: JoinedCalls[int]) -> None:
    results = await asyncio.gather(*map(joined.run, range(6)), return_exceptions=True)
    assert [result and str(result) for result in results] == [None, "1", None, "3", None, "5"]


async def test_where_all_of_it_fails_so_does_each_and_later_ones_do_not(
    joined: JoinedCalls[int],
) -> None:
    results = await asyncio.gather(joined.run(0), joined.run(1000), return_exceptions=True)
    assert list(map(str, results)) == ["all of it"] * 2
    await joined.run(2)


async def test_no_more_than_a_few_wait_for_each_other(joined: JoinedCalls[int], work: Work) -> None:
    async with create_task_group() as tasks:
        for number in range(0, 80, 2):
            tasks.start_soon(joined.run, number)
    assert [len(group) for group in work.groups] == [16, 16, 8]
    assert list(chain(*work.groups)) == list(range(0, 80, 2))


async def test_a_call_that_is_cancelled_while_it_waits_is_carried_through(
    joined: JoinedCalls[int], work: Work
) -> None:
    work.may_end.clear()
    ended = []

    async def call(scope: CancelScope) -> None:
        with scope:
            try:
                await joined.run(2)
            finally:
                ended.append(len(work.groups))

    async with create_task_group() as tasks:
        tasks.start_soon(joined.run, 0)
        await sleep(0.002)
        scope = CancelScope()
        tasks.start_soon(call, scope)
        await sleep(0.002)
        scope.cancel()
        await sleep(0.01)
        assert not ended
        work.may_end.set()
    assert work.groups == [[0], [2]]
    assert ended == [2]


async def test_a_call_whose_caller_is_cancelled_already_does_not_begin(
    joined: JoinedCalls[int], work: Work
) -> None:
    with CancelScope() as scope:
        scope.cancel()
        await joined.run(2)
    await joined.run(4)
    assert work.groups == [[4]]


async def test_a_task_that_is_cancelled_without_regard_to_shields_harms_no_other(
    joined: JoinedCalls[int], work: Work
) -> None:
    work.may_end.clear()
    gone = asyncio.ensure_future(joined.run(1))
    other = asyncio.ensure_future(joined.run(2))
    await sleep(0.005)
    gone.cancel()
    await asyncio.wait([gone], timeout=1)
    work.may_end.set()
    with fail_after(2):
        await other
        await joined.run(4)
    assert gone.cancelled()
    assert work.groups == [[1, 2], [4]]


async def test_where_no_thread_can_be_had_the_call_fails_and_later_ones_need_not(
    joined: JoinedCalls[int], pool: ThreadPool, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(pool, "start", refuse)
        results = await asyncio.gather(*map(joined.run, range(20)), return_exceptions=True)
        assert {type(result) for result in results} == {RuntimeError}
    with fail_after(2):
        await joined.run(2)
    assert work.groups == [[2]]
