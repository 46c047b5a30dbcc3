"""Several questions to the store at once: each costs a round trip where the store is far away."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from anyio import CapacityLimiter, create_task_group

__all__ = ["map_concurrently", "map_stream"]

T = TypeVar("T")
R = TypeVar("R")


async def map_concurrently(
    function: Callable[[T], Awaitable[R]], items: Iterable[T], *, at_once: int
) -> list[R]:
    """Return what `function` gives for each item, in order, having asked for `at_once` at once.

    Raises:
        Exception: the first that `function` raised, bare; the others are cancelled.
    """
    arguments = list(items)
    if len(arguments) == 1 or at_once == 1:
        return [await function(argument) for argument in arguments]
    results: dict[int, R] = {}
    failures: list[Exception] = []
    limiter = CapacityLimiter(at_once)

    async def ask(index: int, item: T) -> None:
        async with limiter:
            try:
                results[index] = await function(item)
            except Exception as error:  # noqa: BLE001 - raised again below
                failures.append(error)
                tasks.cancel_scope.cancel()

    async with create_task_group() as tasks:
        for index, item in enumerate(arguments):
            tasks.start_soon(ask, index, item)
    if failures:
        raise failures[0]
    return [results[index] for index in range(len(arguments))]


async def map_stream(
    function: Callable[[T], Awaitable[R]], items: AsyncIterable[T], *, at_once: int
) -> AsyncIterator[tuple[T, R]]:
    """Yield each item with what `function` gives for it, in order, asking for `at_once` at once.

    So many items are taken ahead of what is yielded.
    """
    if at_once == 1:
        async for item in items:
            yield item, await function(item)
        return
    window: list[T] = []
    async for item in items:
        window.append(item)
        if len(window) == at_once:
            for pair in zip(
                window, await map_concurrently(function, window, at_once=at_once), strict=True
            ):
                yield pair
            window = []
    results = await map_concurrently(function, window, at_once=at_once)
    for pair in zip(window, results, strict=True):
        yield pair
