"""`Registry`: all repositories of one store."""

from collections.abc import AsyncGenerator

from core.drivers import StorageDriver
from core.errors import NameInvalid, PathNotFound
from core.storage import paths
from core.storage.descriptor_cache import NO_DESCRIPTORS, DescriptorCache
from core.storage.manifest_service import MissingReferences
from core.storage.names import RepositoryName
from core.storage.repository import Repository

__all__ = ["Registry"]

_MANIFESTS = "_manifests"


class Registry:
    """The store as a whole. It keeps no state: any number may work on one store."""

    def __init__(
        self,
        driver: StorageDriver,
        *,
        missing_references: MissingReferences = "refuse",
        descriptors: DescriptorCache = NO_DESCRIPTORS,
    ) -> None:
        """Serve what `driver` stores; it and `descriptors` are closed by whoever opened them."""
        self._driver = driver
        self._descriptors = descriptors
        self._missing_references = missing_references

    def repository(self, name: RepositoryName) -> Repository:
        """Return a handle on a repository, which need not exist. No I/O."""
        return Repository(
            self._driver,
            name,
            missing_references=self._missing_references,
            descriptors=self._descriptors,
        )

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
        async for name in self._walk((), after):
            yield name

    async def _walk(
        self, parent: tuple[str, ...], after: tuple[str, ...]
    ) -> AsyncGenerator[RepositoryName, None]:
        """Yield the repositories below `parent` whose components come behind `after`.

        Directories that lie wholly before `after` are not opened.
        """
        directory = "/".join((paths.REPOSITORIES, *parent))
        depth = len(parent)
        # What comes before the component of `after` at this level lies before `after` whole, as
        # long as the path so far is the one that leads to it.
        on_path = after[:depth] == parent and len(after) > depth
        try:
            async for entry in self._driver.list(directory):
                if not entry.is_directory or entry.name.startswith("_"):
                    continue
                if on_path and entry.name < after[depth]:
                    continue
                child = (*parent, entry.name)
                if child > after and await self._has_manifests(child):
                    name = _find_name("/".join(child))
                    if name is not None:
                        yield name
                async for name in self._walk(child, after):
                    yield name
        except PathNotFound:
            return

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
