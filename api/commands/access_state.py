"""The registry's own keys and robots, opened by a command that needs no service."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from api.commands.options import fail, load_or_fail
from api.commands.store import with_store
from api.settings.access import AccessSettings
from core.access.opening import open_access_state
from core.access.state import AccessState
from core.drivers import StorageDriver
from core.errors import AccessUnavailable, DriverError

__all__ = ["with_access_state"]

T = TypeVar("T")


def with_access_state(
    config: Path | None,
    root: Path | None,
    work: Callable[[AccessState, AccessSettings], Awaitable[T]],
) -> T:
    """Return what `work` does with the state, or end the command with a line that says why not."""
    settings = load_or_fail(config, host=None, port=None, workers=None, root=root).settings

    async def run(driver: StorageDriver) -> T:
        async with open_access_state(
            driver,
            directory=settings.access.state_directory,
            store_root=settings.storage.local_root(),
        ) as state:
            return await work(state, settings.access)

    try:
        return with_store(config, root, run)
    except (AccessUnavailable, DriverError, ValueError) as error:
        fail([str(error)])
