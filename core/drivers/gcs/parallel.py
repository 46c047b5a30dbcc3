"""Several calls at once, and all of them over before the caller goes on."""

from collections.abc import Coroutine, Iterable
from typing import Any

from core.drivers.owned_tasks import OwnedTasks

__all__ = ["run_all"]


async def run_all(calls: Iterable[Coroutine[Any, Any, None]], limit: int) -> None:
    """Await `calls`, at most `limit` at once. The first failure cancels the rest.

    Raises:
        Exception: what the first call to fail has raised.
    """
    tasks = OwnedTasks(limit)
    try:
        for call in calls:
            await tasks.start(call)
        await tasks.join()
    finally:
        await tasks.aclose()
