"""Calls that wait for a thread, made together: one change of threads for all that have come.

Where each call is short, the change of threads is most of what it costs, and threads that work at
once take the interpreter from each other at each call of the system.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from anyio import CancelScope
from anyio.lowlevel import checkpoint_if_cancelled

from core.drivers.filesystem.thread_pool import ThreadPool

__all__ = ["JoinedCalls"]

_MAX_JOINED = 16
"""What waits for many others waits longer than it saves."""

T = TypeVar("T")

_Call = tuple[T, "asyncio.Future[None]"]


class JoinedCalls(Generic[T]):
    """One function that does several things at once; used from one event loop.

    While one call of it runs, whatever is asked for waits, and is done by the next.
    """

    def __init__(
        self, pool: ThreadPool, function: Callable[[Sequence[T]], Sequence[Exception | None]]
    ) -> None:
        """Have `function` called in threads of `pool`; it returns a fault, or None, for each."""
        self._pool = pool
        self._function = function
        self._waiting: list[_Call[T]] = []
        self._is_busy = False

    async def run(self, argument: T) -> None:
        """Have `function` do one thing, perhaps with others, and raise its fault.

        A call whose caller is cancelled has not begun, or is waited for. Where a task is
        cancelled without regard to shields, the call goes on without it.
        """
        await checkpoint_if_cancelled()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((argument, future))
        if not self._is_busy:
            self._is_busy = True
            # What comes in the same turn of the loop joins.
            loop.call_soon(self._start)
        with CancelScope(shield=True):
            await future

    def _start(self) -> None:
        calls, self._waiting = self._waiting[:_MAX_JOINED], self._waiting[_MAX_JOINED:]
        futures = [future for _, future in calls]
        try:
            work = self._pool.start(self._function, [argument for argument, _ in calls])
        except RuntimeError as error:
            # The system gives no thread.
            self._settle(futures, [error] * len(futures))
        else:
            work.add_done_callback(partial(self._end, futures))

    def _end(
        self,
        futures: list["asyncio.Future[None]"],
        work: "asyncio.Future[Sequence[Exception | None]]",
    ) -> None:
        failure = work.exception()
        self._settle(futures, [failure] * len(futures) if failure is not None else work.result())

    def _settle(
        self, futures: list["asyncio.Future[None]"], faults: Sequence[BaseException | None]
    ) -> None:
        self._is_busy = bool(self._waiting)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._start)
        for future, fault in zip(futures, faults, strict=True):
            if future.cancelled():
                continue
            if fault is None:
                future.set_result(None)
            else:
                future.set_exception(fault)
