"""`holding`: a path that one task of all processes and nodes has for itself for a while."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from anyio import fail_after, move_on_after, sleep

from core.drivers import FileWriter, StorageDriver
from core.errors import DriverError, DriverUnavailable, PathNotFound, WriterBusy

__all__ = ["PATIENCE_SECONDS", "holding"]

PATIENCE_SECONDS = 45
"""Longer than any store keeps the claim of a process that has died."""

_POLL_SECONDS = 0.03
_RELEASE_SECONDS = 10

_log = structlog.get_logger()


@asynccontextmanager
async def holding(
    driver: StorageDriver, path: str, *, wait_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[None]:
    """Hold `path` inside the block; nothing is left there afterwards.

    A store without locks may let another in whose claim has wrongly been taken for that of a dead
    process: what depends on it is looked at once more before it is relied upon.

    Raises:
        DriverUnavailable: others did not let go of it in time, or the store did not answer.
    """
    claim = await _acquire(driver, path, wait_seconds)
    try:
        yield
    finally:
        with move_on_after(_RELEASE_SECONDS, shield=True):
            await _release(claim, path)


async def _acquire(driver: StorageDriver, path: str, wait_seconds: float) -> FileWriter:
    try:
        with fail_after(wait_seconds):
            while True:
                # One who lets go deletes the path, which may fail another as it is opened.
                with suppress(WriterBusy, PathNotFound):
                    return await driver.open_appender(path, create=True)
                await sleep(_POLL_SECONDS * (1 + secrets.randbelow(100) / 100))
    except TimeoutError:
        raise DriverUnavailable(path, "others hold it") from None


async def _release(claim: FileWriter, path: str) -> None:
    try:
        await claim.cancel()
    except DriverError as error:
        _log.warning("a claim was not released", path=path, reason=str(error))
