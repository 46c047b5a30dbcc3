"""`Registry`: all repositories of one store."""

import functools
from collections.abc import AsyncGenerator

from core.drivers import StorageDriver
from core.errors import NameInvalid
from core.manifest.schema1 import PrivateKey
from core.storage.descriptor_cache import NO_DESCRIPTORS, DescriptorCache
from core.storage.manifest_cache import ManifestCache
from core.storage.manifest_service import MissingReferences
from core.storage.names import MAX_NAME_LENGTH, RepositoryName
from core.storage.recent_digesters import RecentDigesters
from core.storage.repository import Repository
from core.storage.repository_walk import RepositoryWalk
from core.storage.signed_manifests import Schema1Mode, Schema1Support
from core.storage.signing_key import SigningKey
from core.storage.store_check import StoreCheck

__all__ = ["Registry"]

_MANIFESTS = "_manifests"
_MAX_HANDLES = 1024


class Registry:
    """The store as a whole. It keeps no state that matters: any number may work on one store."""

    def __init__(
        self,
        driver: StorageDriver,
        *,
        missing_references: MissingReferences = "refuse",
        descriptors: DescriptorCache = NO_DESCRIPTORS,
        manifest_cache: ManifestCache | None = None,
        schema1: Schema1Mode = "refuse",
        schema1_key: PrivateKey | None = None,
    ) -> None:
        """Serve what `driver` stores; it and `descriptors` are closed by whoever opened them."""
        self._driver = driver
        self._store_check = StoreCheck(driver)
        # Handles hold nothing, and making one costs as much as a system call or two.
        self._handles = functools.lru_cache(_MAX_HANDLES)(
            functools.partial(
                Repository,
                driver,
                missing_references=missing_references,
                descriptors=descriptors,
                manifest_cache=manifest_cache,
                digesters=RecentDigesters(),
                # One for all, so that the key is asked for once.
                schema1=Schema1Support(mode=schema1, key=SigningKey(driver, schema1_key)),
            )
        )

    def repository(self, name: RepositoryName) -> Repository:
        """Return a handle on a repository, which need not exist. No I/O."""
        return self._handles(name)

    async def check(self) -> None:
        """Return if the store answers; an empty one does.

        Raises:
            DriverError: it does not.
        """
        await self._store_check.ask()

    async def list_repositories(
        self, start_after: str = ""
    ) -> AsyncGenerator[RepositoryName, None]:
        """Yield the repositories that have or had manifests, behind `start_after`.

        The order is that of the components of their names, a parent before what is below it:
        `a`, `a/b`, `a-b`. `start_after` need not exist.
        """
        # No name is longer, so that what is cut off decides nothing.
        place = start_after[: MAX_NAME_LENGTH + 1]
        after = tuple(place.split("/")) if place else ()
        async for components, names in RepositoryWalk(self._driver).directories(after):
            if _MANIFESTS in names and (name := _find_name("/".join(components))) is not None:
                yield name


def _find_name(text: str) -> RepositoryName | None:
    try:
        return RepositoryName.parse(text)
    except NameInvalid:
        # A directory that some other program made.
        return None
