"""`SigningKey`: the registry's own key.

It signs images of schema 1 that have no signature, when they are pulled: clients of that format
want one, and none of them trusts one key more than another.
"""

from contextlib import suppress

import anyio
import structlog
from anyio import move_on_after, to_thread

from core.drivers import FileWriter, StorageDriver
from core.errors import DriverError, DriverUnavailable, PathNotFound, WriterBusy
from core.manifest.schema1 import PrivateKey
from core.storage import paths

__all__ = ["SigningKey"]

_log = structlog.get_logger()

_ATTEMPTS = 50
_PAUSE_SECONDS = 0.1
_RELEASE_SECONDS = 10


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
        try:
            content = await self._driver.get(paths.SCHEMA1_KEY)
        except PathNotFound:
            return None
        try:
            return PrivateKey.load(content)
        except ValueError as error:
            raise DriverUnavailable(paths.SCHEMA1_KEY, f"the key is damaged: {error}") from None

    async def _make(self) -> PrivateKey:
        for _ in range(_ATTEMPTS):
            claim = await self._claim()
            if claim is not None:
                try:
                    return await self._find() or await self._store_new()
                finally:
                    with move_on_after(_RELEASE_SECONDS, shield=True):
                        await self._release(claim)
            await anyio.sleep(_PAUSE_SECONDS)
            found = await self._find()
            if found is not None:
                return found
        raise DriverUnavailable(paths.SCHEMA1_CLAIM, "somebody else is making the key, for long")

    async def _store_new(self) -> PrivateKey:
        key = await to_thread.run_sync(PrivateKey.generate)
        await self._driver.put(paths.SCHEMA1_KEY, key.dump())
        _log.info("key for images of schema 1 made", kid=key.public.key_id)
        return key

    async def _claim(self) -> FileWriter | None:
        # One who lets go deletes the path, which may fail another just as the path is opened.
        with suppress(WriterBusy, PathNotFound):
            return await self._driver.open_appender(paths.SCHEMA1_CLAIM, create=True)
        return None

    async def _release(self, claim: FileWriter) -> None:
        try:
            await claim.cancel()
        except DriverError as error:
            _log.warning("claim of the key was not released", reason=str(error))
