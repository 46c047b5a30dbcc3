"""The store that the settings name, opened by a command that needs no service."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio

from api.commands.options import EXIT_USAGE, fail, load_or_fail
from api.logging import configure_logging
from api.settings import Settings
from core.drivers import StorageDriver, create_driver

__all__ = ["with_store"]

T = TypeVar("T")


def with_store(
    config: Path | None, root: Path | None, work: Callable[[StorageDriver], Awaitable[T]]
) -> T:
    """Return what `work` does with the store, or end the command with a line that says why not.

    A directory that is not there is refused: for a command that only looks at what is stored, it
    is more likely misspelt than empty.
    """
    loaded = load_or_fail(config, host=None, port=None, workers=None, root=root)
    configure_logging(loaded.settings.log)
    _check(loaded.settings)
    try:
        driver = create_driver(
            loaded.settings.storage.driver, loaded.settings.storage.driver_options()
        )
    except ValueError as error:
        fail([" ".join(str(error).split())], exit_code=EXIT_USAGE)

    async def run() -> T:
        async with _closing(driver):
            return await work(driver)

    return anyio.run(run)


def _check(settings: Settings) -> None:
    if settings.storage.driver == "memory":
        fail(
            ["storage.driver: a store in memory is that of one process, and cannot be opened"],
            exit_code=EXIT_USAGE,
        )
    root = settings.storage.filesystem.root
    if settings.storage.driver != "filesystem":
        return
    try:
        is_directory = root.is_dir()
    except OSError as error:
        fail([f"storage.filesystem.root: {root}: {error.strerror}"], exit_code=EXIT_USAGE)
    if not is_directory:
        fail([f"storage.filesystem.root: {root} is not a directory"], exit_code=EXIT_USAGE)


@asynccontextmanager
async def _closing(driver: StorageDriver) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await driver.aclose()
