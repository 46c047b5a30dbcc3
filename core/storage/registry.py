"""`Registry`: all repositories of one store."""

import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable

from core.drivers import StorageDriver
from core.errors import NameInvalid, PathNotFound
from core.storage import paths
from core.storage.concurrency import map_stream
from core.storage.descriptor_cache import NO_DESCRIPTORS, DescriptorCache
from core.storage.manifest_service import MissingReferences
from core.storage.names import MAX_NAME_LENGTH, RepositoryName
from core.storage.repository import Repository

__all__ = ["Registry"]

_MANIFESTS = "_manifests"
_COMPONENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}")


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
        # No name is longer, so that what is cut off decides nothing.
        place = start_after[: MAX_NAME_LENGTH + 1]
        after = tuple(place.split("/")) if place else ()
        async for name in self._walk((), after):
            yield name

    async def _walk(
        self, parent: tuple[str, ...], after: tuple[str, ...]
    ) -> AsyncGenerator[RepositoryName, None]:
        """Yield the repositories below `parent`, which leads to `after`, that come behind it.

        Directories that lie wholly before `after` are not opened.
        """
        start = after[len(parent)] if len(parent) < len(after) else ""
        if _COMPONENT.fullmatch(start) is not None:
            async for name in self._walk((*parent, start), after):
                yield name
        async for name in self._expand(parent, self._list_children(parent, start)):
            yield name

    async def _expand(
        self, parent: tuple[str, ...], children: AsyncIterable[str]
    ) -> AsyncGenerator[RepositoryName, None]:
        """Yield the repositories at and below `children` of `parent`."""

        async def list_names(child: str) -> list[str]:
            return [name async for name in self._list_children((*parent, child), "")]

        async for child, names in map_stream(list_names, children):
            if child.startswith("_"):
                continue
            path = (*parent, child)
            if _MANIFESTS in names and (name := _find_name("/".join(path))) is not None:
                yield name
            async for below in self._expand(path, _iterate(names)):
                yield below

    async def _list_children(self, parent: tuple[str, ...], start_after: str) -> AsyncIterator[str]:
        """Yield the directories of `parent` but those with what belongs to the repository."""
        try:
            async for entry in self._driver.list(
                "/".join((paths.REPOSITORIES, *parent)), start_after
            ):
                if entry.is_directory and (entry.name == _MANIFESTS or entry.name[0] != "_"):
                    yield entry.name
        except PathNotFound:
            return


async def _iterate(names: Iterable[str]) -> AsyncIterator[str]:
    for name in names:
        yield name


def _find_name(text: str) -> RepositoryName | None:
    try:
        return RepositoryName.parse(text)
    except NameInvalid:
        # A directory that some other program made.
        return None
