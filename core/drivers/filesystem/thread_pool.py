"""Threads for calls that wait for the disk, at a third of what the usual pools cost.

A change of threads is most of what a small call to the disk costs. A queue that is written in C
and a future of the event loop are all that one needs; `concurrent.futures` passes each call
through two futures and several locks, and anyio through a limiter besides.
"""

import asyncio
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread, current_thread
from typing import TypeVar, cast

from anyio import CancelScope
from anyio.lowlevel import checkpoint_if_cancelled

__all__ = ["ThreadPool"]

T = TypeVar("T")

_Work = tuple["asyncio.Future[object]", Callable[..., object], tuple[object, ...]]


class ThreadPool:
    """A bounded number of threads, started when they are needed; used from one event loop.

    They end with `close`, with this object, or with the interpreter, each after the call that it
    is busy with.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._calls = 0
        self._threads: list[Thread] = []
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._ended = weakref.finalize(self, _end, self._queue, self._threads)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Return what `function` returns in a thread, or raise what it raises.

        A call whose caller is cancelled has not begun, or is waited for. Where a task is
        cancelled without regard to shields, the call goes on without it.
        """
        await checkpoint_if_cancelled()
        future = self.start(function, *args)
        with CancelScope(shield=True):
            await future
        return future.result()

    def start(self, function: Callable[..., T], *args: object) -> "asyncio.Future[T]":
        """Have `function` called in a thread, and return where its result or fault will be."""
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._calls += 1
        future.add_done_callback(self._count_end)
        self._queue.put((future, function, args))
        # What is waiting for its result has a thread, or will get one.
        if self._calls > len(self._threads) < self._size:
            self._start_thread()
        return cast("asyncio.Future[T]", future)

    def close(self) -> None:
        """End the threads, once they have done what they were given. More calls start new ones."""
        _end(self._queue, self._threads)

    def _count_end(self, _: object) -> None:
        self._calls -= 1

    def _start_thread(self) -> None:
        thread = Thread(target=_work, args=(self._queue,), name="moorage disk", daemon=True)
        self._threads.append(thread)
        thread.start()


def _work(queue: "SimpleQueue[_Work | None]") -> None:
    while (work := queue.get()) is not None:
        future, function, args = work
        result, fault = None, None
        try:
            result = function(*args)
        except BaseException as error:  # noqa: BLE001 - raised where it was asked for
            fault = error
        # Where the loop is closed nobody waits for the result any more.
        with suppress(RuntimeError):
            future.get_loop().call_soon_threadsafe(_tell, future, result, fault)
        # An idle thread keeps nothing alive.
        del work, future, function, args, result, fault


def _tell(future: "asyncio.Future[object]", result: object, fault: BaseException | None) -> None:
    if future.cancelled():
        return
    if fault is None:
        future.set_result(result)
    else:
        future.set_exception(fault)


def _end(queue: "SimpleQueue[_Work | None]", threads: list[Thread]) -> None:
    for _ in threads:
        queue.put(None)
    for thread in threads:
        # The last that kept the pool alive may have been a call of one of its threads.
        if thread is not current_thread():
            thread.join()
    threads.clear()
