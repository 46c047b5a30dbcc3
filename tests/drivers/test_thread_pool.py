"""Threads for calls that wait: what becomes of a call when its caller goes."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Iterator

import anyio.lowlevel
import pytest
from anyio import CancelScope, create_task_group, fail_after, sleep

from core.drivers.filesystem.thread_pool import ThreadPool

__all__: list[str] = []


def threads() -> int:
    return sum(thread.name == "moorage disk" for thread in threading.enumerate())


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    gc.collect()
    pool = ThreadPool(4)
    yield pool
    pool.close()


async def test_what_a_call_returns_or_raises_is_returned_or_raised(pool: ThreadPool) -> None:
    def fail() -> None:
        raise LookupError("told to fail")

    assert await pool.run(divmod, 7, 2) == (3, 1)
    assert await pool.run(threading.current_thread) is not threading.current_thread()
    with pytest.raises(LookupError, match="told to fail"):
        await pool.run(fail)


async def test_calls_run_at_once_and_no_more_than_the_size_of_the_pool(pool: ThreadPool) -> None:
    running, most = [], []

    def call() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()

    before = threads()
    async with create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(pool.run, call)
    assert 1 < max(most) <= 4
    assert threads() - before == 4
    assert len(most) == 20


async def test_one_call_after_another_needs_one_thread(pool: ThreadPool) -> None:
    before = threads()
    for _ in range(20):
        await pool.run(time.sleep, 0)
    assert threads() - before == 1


async def test_a_cancelled_call_is_waited_for(pool: ThreadPool) -> None:
    done = []

    def call() -> None:
        time.sleep(0.1)
        done.append(1)

    async def cancel(scope: CancelScope) -> None:
        await sleep(0.02)
        scope.cancel()

    async with create_task_group() as tasks:
        with CancelScope() as scope:
            tasks.start_soon(cancel, scope)
            await pool.run(call)
            assert done == [1]
            await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught


async def test_a_call_whose_caller_is_cancelled_before_does_not_begin(pool: ThreadPool) -> None:
    done: list[int] = []
    with CancelScope() as scope:
        scope.cancel()
        await pool.run(done.append, 1)
    await pool.run(time.sleep, 0)
    assert done == []


async def test_a_call_whose_task_is_cancelled_by_force_goes_on(pool: ThreadPool) -> None:
    done = threading.Event()

    def call() -> None:
        time.sleep(0.1)
        done.set()

    task = asyncio.get_running_loop().create_task(pool.run(call))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not done.is_set()
    # Other calls are not kept waiting by it, and find the pool as it was.
    with fail_after(5):
        await pool.run(done.wait)


async def test_a_closed_pool_has_ended_its_calls_and_starts_again(pool: ThreadPool) -> None:
    before = threads()
    done: list[int] = []

    def call() -> None:
        time.sleep(0.05)
        done.append(1)

    task = asyncio.get_running_loop().create_task(pool.run(call))
    await asyncio.sleep(0.01)
    pool.close()
    pool.close()
    assert done == [1]
    assert threads() == before
    await task
    assert await pool.run(abs, -1) == 1


async def test_the_threads_of_a_pool_that_is_forgotten_end() -> None:
    before = threads()
    pool = ThreadPool(2)
    await pool.run(abs, -1)
    assert threads() > before
    del pool
    gc.collect()
    assert threads() <= before


async def test_idle_threads_keep_nothing_alive(pool: ThreadPool) -> None:
    class Large:
        def use(self) -> None:
            return

    large, gone = Large(), threading.Event()
    weakref.finalize(large, gone.set)
    await pool.run(large.use)
    del large
    # The thread tells its result first and forgets it afterwards.
    assert gone.wait(5)
