"""Many things at once, a bounded number at a time, whose first failure is raised bare."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from anyio import create_memory_object_stream, create_task_group
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

__all__ = ["drain", "each", "for_each", "run_all"]

T = TypeVar("T")


async def run_all(functions: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run all of them to their ends. The first that fails cancels the others.

    Raises:
        Exception: what the first one raised, not in a group.
    """
    failures: list[Exception] = []
    async with create_task_group() as tasks:

        async def run(function: Callable[[], Awaitable[None]]) -> None:
            try:
                await function()
            except Exception as error:  # noqa: BLE001 - raised again below
                failures.append(error)
                tasks.cancel_scope.cancel()

        for function in functions:
            tasks.start_soon(run, function)
    if failures:
        raise failures[0]


async def for_each(
    items: AsyncGenerator[T, None], act: Callable[[T], Awaitable[None]], *, limit: int
) -> None:
    """Await `act` for each item, up to `limit` at once. Items are taken as they are needed.

    Raises:
        Exception: what `items` or the first `act` to fail raised; the others are cancelled.
    """
    send, receive = create_memory_object_stream[T](0)
    with send, receive:
        await run_all([partial(_feed, items, send), *[partial(drain, receive, act)] * limit])


async def each(items: Iterable[T]) -> AsyncGenerator[T, None]:
    """Yield the items of a collection, for whoever takes them from a generator."""
    for item in items:
        yield item


async def drain(receive: MemoryObjectReceiveStream[T], act: Callable[[T], Awaitable[None]]) -> None:
    """Await `act` for each item that this task gets from the stream, until it is at its end."""
    async for item in receive:
        await act(item)


async def _feed(items: AsyncGenerator[T, None], send: MemoryObjectSendStream[T]) -> None:
    async with send, aclosing(items):
        async for item in items:
            await send.send(item)
