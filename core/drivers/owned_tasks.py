"""Tasks that belong to one object: they run between its calls, and end before it does.

A task group lasts as long as a block of code. A writer sends one part while its caller gathers
the next, so that its tasks have to outlive the call that began them; the writer is their parent
in the group's place, and nothing ever runs that nobody waits for.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from anyio import CancelScope

__all__ = ["OwnedTasks"]


class OwnedTasks:
    """A bounded number of tasks, whose first failure is raised in the next call of their owner.

    A failure cancels nothing by itself: the owner gets to know of it, and closes.
    """

    def __init__(self, limit: int) -> None:
        """Allow `limit` tasks at once."""
        self._limit = limit
        self._running: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Begin a task as soon as fewer than the limit run. If that fails, it is not begun.

        Raises:
            Exception: what an earlier task has raised.
        """
        try:
            while len(self._running) >= self._limit and self._failure is None:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            self._raise_failure()
        except BaseException:
            coroutine.close()
            raise
        task = asyncio.create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._on_done)

    async def join(self) -> None:
        """Wait until no task runs.

        Raises:
            Exception: what one of them has raised.
        """
        while self._running and self._failure is None:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        self._raise_failure()

    async def aclose(self) -> None:
        """Cancel what runs and wait for its end, also when the caller is cancelled meanwhile."""
        with CancelScope(shield=True):
            while self._running:
                for task in self._running:
                    task.cancel()
                await asyncio.wait(self._running)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        # A failure that nobody asks for is reported by the event loop, so each is asked for.
        failure = None if task.cancelled() else task.exception()
        if self._failure is None:
            self._failure = failure

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
