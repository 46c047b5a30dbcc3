"""Requests at the same time, whose first failure is raised by itself."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from anyio import create_task_group

from core.drivers.owned_tasks import OwnedTasks

__all__ = ["both", "for_each"]

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


async def both(
    first: Callable[[], Awaitable[A]], second: Callable[[], Awaitable[B]]
) -> tuple[A, B]:
    """Return what two calls return that run at once; if one fails, the other is cancelled.

    Raises:
        Exception: what the first of them to fail has raised.
    """
    firsts: list[A] = []
    seconds: list[B] = []
    failures: list[Exception] = []
    async with create_task_group() as tasks:

        async def run(call: Callable[[], Awaitable[T]], results: list[T]) -> None:
            try:
                results.append(await call())
            except Exception as error:  # noqa: BLE001 - raised below
                failures.append(error)
                tasks.cancel_scope.cancel()

        tasks.start_soon(run, first, firsts)
        tasks.start_soon(run, second, seconds)
    if failures:
        raise failures[0]
    return firsts[0], seconds[0]


async def for_each(
    limit: int, items: Iterable[T], act: Callable[[T], Coroutine[Any, Any, None]]
) -> None:
    """Call `act` for each of `items`, `limit` of them at once; all have ended when this returns.

    Raises:
        Exception: what the first of them to fail has raised; the others are cancelled.
    """
    tasks = OwnedTasks(limit)
    try:
        for item in items:
            await tasks.start(act(item))
        await tasks.join()
    finally:
        await tasks.aclose()
