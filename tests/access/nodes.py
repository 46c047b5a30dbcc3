"""Several nodes over one store, and what happens to a node in the middle of a change."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from anyio import create_task_group

from core.access.state import AccessState
from core.drivers import StorageDriver
from tests.faulty import Call, Crash, FaultyDriver, fails_at

__all__ = ["all_at_once", "crashes_everywhere", "put_calls"]

T = TypeVar("T")


async def all_at_once(*works: Callable[[], Awaitable[T]]) -> list[T]:
    """Do all of them at once, and return what they return, in their order."""
    found: dict[int, T] = {}

    async def do(number: int, work: Callable[[], Awaitable[T]]) -> None:
        found[number] = await work()

    async with create_task_group() as tasks:
        for number, work in enumerate(works):
            tasks.start_soon(do, number, work)
    return [found[number] for number in range(len(works))]


async def crashes_everywhere(
    open_driver: Callable[[], StorageDriver], work: Callable[[AccessState], Awaitable[object]]
) -> AsyncIterator[AccessState]:
    """Crash a node before and after every write of `work`, and yield what another node has.

    Args:
        open_driver: opens the store as a process does; it is new for each crash.
        work: what the node that crashes is at.
    """
    calls: list[Call] = []

    async def note(call: Call) -> None:
        if call.moment == "before":
            calls.append(call)

    driver = open_driver()
    await work(AccessState(FaultyDriver(driver, note)))
    await driver.aclose()
    writes = [call.number for call in calls if call.method in {"put", "delete", "open_appender"}]
    assert writes
    for number in writes:
        for moment in ("before", "after"):
            async with _crashed(open_driver(), number, moment, work) as state:
                yield state


@asynccontextmanager
async def _crashed(
    driver: StorageDriver,
    number: int,
    moment: str,
    work: Callable[[AccessState], Awaitable[object]],
) -> AsyncIterator[AccessState]:
    try:
        await work(AccessState(FaultyDriver(driver, fails_at(number, moment, Crash))))
    except Crash:
        pass
    else:
        raise AssertionError("it did not crash")
    try:
        yield AccessState(driver)
    finally:
        await driver.aclose()


def put_calls(calls: list[str]) -> Callable[[Call], Awaitable[None]]:
    """Return what notes the path of every `put` in `calls`."""

    async def note(call: Call) -> None:
        if (call.method, call.moment) == ("put", "before"):
            calls.append(call.path)

    return note
