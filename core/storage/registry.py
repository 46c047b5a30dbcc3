"""`Registry`: all repositories of one store."""

from collections.abc import AsyncGenerator

from core.drivers import StorageDriver
from core.errors import NameInvalid, PathNotFound
from core.storage import paths
from core.storage.manifest_service import MissingReferences
from core.storage.names import RepositoryName
from core.storage.repository import Repository
from core.storage.repository_walk import walk_repositories

__all__ = ["Registry"]

_MANIFESTS = "_manifests"


class Registry:
    """The store as a whole. It keeps no state: any number may work on one store."""

    def __init__(
        self, driver: StorageDriver, *, missing_references: MissingReferences = "refuse"
    ) -> None:
        """Serve what `driver` stores, which is to be closed by whoever opened it."""
        self._driver = driver
        self._missing_references = missing_references

    def repository(self, name: RepositoryName) -> Repository:
        """Return a handle on a repository, which need not exist. No I/O."""
        return Repository(self._driver, name, missing_references=self._missing_references)

    async def check(self) -> None:
        """Return if the store answers; an empty one does.

        Raises:
            DriverError: it does not.
        """
        try:
            await self._driver.stat("/")
        except PathNotFound:
            return

    async def list_repositories(
        self, start_after: str = ""
    ) -> AsyncGenerator[RepositoryName, None]:
        """Yield the repositories that have or had manifests, behind `start_after`.

        The order is that of the components of their names, a parent before what is below it:
        `a`, `a/b`, `a-b`. `start_after` need not exist.
        """
        after = tuple(start_after.split("/")) if start_after else ()
        async for components in walk_repositories(self._driver, after):
            if await self._has_manifests(components):
                name = _find_name("/".join(components))
                if name is not None:
                    yield name

    async def _has_manifests(self, components: tuple[str, ...]) -> bool:
        path = "/".join((paths.REPOSITORIES, *components, _MANIFESTS))
        try:
            await self._driver.stat(path)
        except PathNotFound:
            return False
        return True


def _find_name(text: str) -> RepositoryName | None:
    try:
        return RepositoryName.parse(text)
    except NameInvalid:
        # A directory that some other program made.
        return None
