"""Hash states beside uploads: the running digest goes on where the last request left it."""

import structlog

from core.digest import Algorithm, Digester
from core.drivers import StorageDriver
from core.errors import DriverError
from core.storage import paths
from core.storage.names import RepositoryName

__all__ = ["MIN_STATE_BYTES", "find_digester", "keep_digester"]

_log = structlog.get_logger()

MIN_STATE_BYTES = 1024 * 1024
"""Smaller content is read again in one piece, which costs less than to keep its state."""


async def keep_digester(
    driver: StorageDriver, name: RepositoryName, upload_id: str, digester: Digester
) -> None:
    """Keep the state of `digester`, whose bytes the upload holds durably.

    Without it the content is read again, so that a state that could not be kept is no failure.
    """
    state = digester.state()
    if digester.size < MIN_STATE_BYTES or state is None:
        return
    path = paths.upload_hash_state(name, upload_id, digester.algorithm, digester.size)
    try:
        await driver.put(path, state)
    except DriverError as error:
        _log.warning("hash state was not kept", upload_id=upload_id, reason=str(error))


async def find_digester(
    driver: StorageDriver, name: RepositoryName, upload_id: str, algorithm: Algorithm, size: int
) -> Digester | None:
    """Return the digester of the `size` bytes that an upload holds, or None if it is not kept."""
    if size < MIN_STATE_BYTES or not algorithm.names_bytes:
        return None
    path = paths.upload_hash_state(name, upload_id, algorithm, size)
    try:
        state = await driver.get(path)
    except DriverError as error:
        _log.info("hash state is not found", upload_id=upload_id, reason=str(error))
        return None
    digester = Digester.restore(algorithm, state, size)
    if digester is None:
        _log.warning("hash state cannot be used", upload_id=upload_id, size=len(state))
    return digester
