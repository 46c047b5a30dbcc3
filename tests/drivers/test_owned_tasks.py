"""Tasks that belong to an object."""

import asyncio
import gc

import anyio.lowlevel
import pytest
from anyio import sleep

from core.drivers.owned_tasks import OwnedTasks

__all__: list[str] = []


async def fail(number: int) -> None:
    await sleep(0.01)
    raise ValueError(f"task {number}")


async def test_of_several_failures_the_first_is_raised_and_none_is_reported_by_the_loop() -> None:
    reported: list[object] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    try:
        tasks = OwnedTasks(3)
        for number in range(3):
            await tasks.start(fail(number))
        with pytest.raises(ValueError, match="task 0"):
            await tasks.join()
        await sleep(0.05)
        await tasks.aclose()
        del tasks
        gc.collect()
        await anyio.lowlevel.checkpoint()
    finally:
        loop.set_exception_handler(before)
    assert reported == []
