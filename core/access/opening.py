"""Opens the access state: in the registry's store, or in a directory of its own."""

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
from anyio import to_thread

from core.access.paths import AccessPaths
from core.access.state import AccessState
from core.drivers import StorageDriver, create_driver
from core.storage import paths

__all__ = ["open_access_state"]

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

_log = structlog.get_logger()


@asynccontextmanager
async def open_access_state(
    driver: StorageDriver, *, directory: Path | None = None, store_root: Path | None = None
) -> AsyncIterator[AccessState]:
    """Give the state for the time of a block.

    Where it is in directories of this machine, they are made for their owner alone: the files in
    them are as the umask has it.

    Args:
        driver: of the registry's store, which stays open.
        directory: that holds the state instead of the store. Nodes share it if they share that.
        store_root: the directory of the store, if it is one.

    Raises:
        ValueError: a directory cannot be made, or something else is in its place.
    """
    if directory is None:
        if store_root is not None:
            await to_thread.run_sync(_guard, store_root / paths.ACCESS.removeprefix("/"))
        yield AccessState(driver)
        return
    await to_thread.run_sync(_guard, directory)
    own = create_driver("filesystem", {"root": directory})
    try:
        yield AccessState(own, AccessPaths(root=""))
    finally:
        await own.aclose()


def _guard(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        found = directory.stat()
        if found.st_mode & _OTHERS and found.st_uid == os.geteuid():
            directory.chmod(stat.S_IRWXU)
        elif found.st_mode & _OTHERS:
            _log.warning("others may look into the directory of keys", directory=str(directory))
    except OSError as error:
        reason = f"cannot keep keys and robots in {directory}: {error.strerror}"
        raise ValueError(reason) from None
