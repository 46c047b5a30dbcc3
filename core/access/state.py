"""`AccessState`: the registry's own secrets and records, as all of its processes share them."""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from anyio import Lock

from core.access.paths import AccessPaths
from core.drivers import StorageDriver
from core.errors import AccessUnavailable, PathNotFound
from core.storage.find_file import find_file
from core.storage.holding import holding

__all__ = ["SECRET_BYTES", "AccessState"]

SECRET_BYTES: Final = 32

_HEX = re.compile(rb"[0-9a-f]+")


class AccessState:
    """Small files in a store, each written whole, with one change at a time.

    Whoever changes what another could change at the same moment does it inside `changing`, and
    looks there once more at what there is. Readers need no claim: a file is there whole or not.

    Attributes:
        driver: the store.
        paths: of what is kept there.
    """

    def __init__(self, driver: StorageDriver, paths: AccessPaths | None = None) -> None:
        """Keep things in this store, at the place for them in a registry's store by default."""
        self.driver = driver
        self.paths = AccessPaths() if paths is None else paths
        self._lock = Lock()
        self._secret: bytes | None = None

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Keep every other task, process and node out for the time of a change.

        A store without locks may let another in whose claim has wrongly been taken for that of a
        dead process; so what is written is read again before it is relied upon.

        Raises:
            DriverUnavailable: others did not let go of it, or the store did not answer.
        """
        # Tasks of one process wait for each other here, where that costs the store nothing.
        async with (
            self._lock,
            holding(self.driver, self.paths.claim),
        ):
            yield

    async def find(self, path: str) -> bytes | None:
        """Return the content of a file, None if it is not there.

        Raises:
            DriverError: the store did not answer.
        """
        return await find_file(self.driver, path)

    async def list_names(self, directory: str) -> list[str]:
        """Return the names of the files in a directory in byte order; none if it is not there.

        Raises:
            DriverError: the store did not answer.
        """
        with suppress(PathNotFound):
            entries = self.driver.list(directory)
            return [entry.name async for entry in entries if not entry.is_directory]
        return []

    async def secret(self) -> bytes:
        """Return `SECRET_BYTES` random bytes, the same for every process, made on first use.

        Raises:
            AccessUnavailable: what is stored is no such secret.
            DriverError: the store did not answer.
        """
        if self._secret is None:
            self._secret = await self._read_secret() or await self._make_secret()
        return self._secret

    async def _read_secret(self) -> bytes | None:
        content = await self.find(self.paths.secret)
        if content is None:
            return None
        if len(content) != 2 * SECRET_BYTES or _HEX.fullmatch(content) is None:
            # A new one would end every session, and hide that somebody wrote here.
            raise AccessUnavailable(f"{self.paths.secret} is damaged")
        return bytes.fromhex(content.decode("ascii"))

    async def _make_secret(self) -> bytes:
        async with self.changing():
            made = await self._read_secret()
            if made is None:
                new = secrets.token_bytes(SECRET_BYTES).hex().encode("ascii")
                await self.driver.put(self.paths.secret, new)
                made = await self._read_secret()
        if made is None:
            raise AccessUnavailable(f"{self.paths.secret} was deleted as soon as it was made")
        return made
