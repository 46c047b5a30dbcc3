"""The directories of a store that are, or lead to, repositories."""

import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable

from core.drivers import StorageDriver
from core.errors import DriverError, PathNotFound
from core.storage import paths
from core.storage.concurrency import map_stream

__all__ = ["Directory", "OnFault", "RepositoryWalk", "raise_fault"]

_COMPONENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}")

Directory = tuple[tuple[str, ...], list[str]]
"""The components of its name, and the names of the directories in it."""

OnFault = Callable[[DriverError], None]
"""What is told of a fault of the store. If it returns, the work goes on with what comes next."""


def raise_fault(error: DriverError) -> None:
    """End the work at its first fault."""
    raise error


class RepositoryWalk:
    """A walk over the directories of a store that may be repositories, each listed once.

    The order is that of the components of their names, a parent before what is below it: `a`,
    `a/b`, `a-b`. A directory that some other program made is given too, unless its name begins
    with an underscore, as no repository's does.
    """

    def __init__(self, driver: StorageDriver, *, on_fault: OnFault = raise_fault) -> None:
        """Walk the store of `driver`; `on_fault` is told what cannot be listed."""
        self._driver = driver
        self._on_fault = on_fault

    async def directories(
        self, after: tuple[str, ...] = (), *, parent: tuple[str, ...] = ()
    ) -> AsyncGenerator[Directory, None]:
        """Yield the directories below `parent`, which leads to `after`, that come behind it.

        Directories that lie wholly before `after` are not opened.
        """
        start = after[len(parent)] if len(parent) < len(after) else ""
        if _COMPONENT.fullmatch(start) is not None:
            async for found in self.directories(after, parent=(*parent, start)):
                yield found
        async for found in self._expand(parent, self._list_children(parent, start)):
            yield found

    async def _expand(
        self, parent: tuple[str, ...], children: AsyncIterable[str]
    ) -> AsyncGenerator[Directory, None]:
        """Yield the directories at and below `children` of `parent`."""

        async def list_names(child: str) -> list[str]:
            if child.startswith("_"):
                return []
            return [name async for name in self._list_children((*parent, child), "")]

        async for child, names in map_stream(
            list_names, children, at_once=self._driver.questions_at_once
        ):
            if child.startswith("_"):
                continue
            path = (*parent, child)
            yield path, names
            async for below in self._expand(path, _iterate(names)):
                yield below

    async def _list_children(self, parent: tuple[str, ...], start_after: str) -> AsyncIterator[str]:
        try:
            async for entry in self._driver.list(
                "/".join((paths.REPOSITORIES, *parent)), start_after
            ):
                if entry.is_directory:
                    yield entry.name
        except PathNotFound:
            return
        except DriverError as error:
            self._on_fault(error)


async def _iterate(names: Iterable[str]) -> AsyncIterator[str]:
    for name in names:
        yield name
