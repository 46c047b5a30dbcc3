"""`SigningKey`: the registry's own key.

It signs images of schema 1 that have no signature, when they are pulled: clients of that format
want one, and none of them trusts one key more than another.
"""

import structlog
from anyio import to_thread

from core.drivers import StorageDriver
from core.errors import DriverUnavailable
from core.manifest.schema1 import PrivateKey
from core.storage import paths
from core.storage.find_file import find_file
from core.storage.holding import holding

__all__ = ["SigningKey", "copy_signing_key"]

_log = structlog.get_logger()


class SigningKey:
    """One key for all processes that work on a store.

    Without a key that the settings name, the first process that needs one makes it and keeps it in
    the store, where other registries do not look.
    """

    def __init__(self, driver: StorageDriver, given: PrivateKey | None = None) -> None:
        """Use the `given` key, or the one that the store has."""
        self._driver = driver
        self._key = given

    async def get(self) -> PrivateKey:
        """Return the key. Only the first call asks the store.

        Raises:
            DriverError: the store did not give it, or what it gave is no key.
        """
        if self._key is None:
            self._key = await self._find() or await self._make()
        return self._key

    async def _find(self) -> PrivateKey | None:
        content = await find_file(self._driver, paths.SCHEMA1_KEY)
        if content is None:
            return None
        try:
            return PrivateKey.load(content)
        except ValueError as error:
            raise DriverUnavailable(paths.SCHEMA1_KEY, f"the key is damaged: {error}") from None

    async def _make(self) -> PrivateKey:
        async with holding(self._driver, paths.SCHEMA1_CLAIM):
            return await self._find() or await self._store_new()

    async def _store_new(self) -> PrivateKey:
        key = await to_thread.run_sync(PrivateKey.generate)
        await self._driver.put(paths.SCHEMA1_KEY, key.dump())
        _log.info("key for images of schema 1 made", kid=key.public.key_id)
        return key


async def copy_signing_key(
    source: StorageDriver, destination: StorageDriver, *, dry_run: bool = False
) -> bool:
    """Give one store the key of another, if that has one; say whether that changes anything.

    Args:
        source: is only read.
        destination: takes the place of the source.
        dry_run: write nothing, and only say.

    Raises:
        DriverError: a store did not answer.
    """
    wanted = await find_file(source, paths.SCHEMA1_KEY)
    if wanted is None or wanted == await find_file(destination, paths.SCHEMA1_KEY):
        return False
    if not dry_run:
        await destination.put(paths.SCHEMA1_KEY, wanted)
    return True
