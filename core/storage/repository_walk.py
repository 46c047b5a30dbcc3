"""The directories of a store that are, or lead to, repositories."""

from collections.abc import AsyncGenerator, Callable

from core.drivers import StorageDriver
from core.errors import DriverError, PathNotFound
from core.storage import paths

__all__ = ["OnFault", "raise_fault", "walk_repositories"]

OnFault = Callable[[DriverError], None]
"""What is told of a fault of the store. If it returns, the work goes on with what comes next."""


def raise_fault(error: DriverError) -> None:
    """End the work at its first fault."""
    raise error


async def walk_repositories(
    driver: StorageDriver,
    after: tuple[str, ...] = (),
    *,
    on_fault: OnFault = raise_fault,
    parent: tuple[str, ...] = (),
) -> AsyncGenerator[tuple[str, ...], None]:
    """Yield the directories that may be repositories, each as the components of its name.

    The order is that of these components, a parent before what is below it: `a`, `a/b`, `a-b`.
    Only what comes behind `after` and lies below `parent` is given, and directories that lie
    wholly before `after` are not opened. A directory that some other program made is given too,
    unless its name begins with an underscore, as no repository's does.
    """
    directory = "/".join((paths.REPOSITORIES, *parent))
    depth = len(parent)
    # What comes before the component of `after` at this level lies before `after` whole, as long
    # as the path so far is the one that leads to it.
    on_path = after[:depth] == parent and len(after) > depth
    try:
        async for entry in driver.list(directory):
            if not entry.is_directory or entry.name.startswith("_"):
                continue
            if on_path and entry.name < after[depth]:
                continue
            child = (*parent, entry.name)
            if child > after:
                yield child
            async for below in walk_repositories(driver, after, on_fault=on_fault, parent=child):
                yield below
    except PathNotFound:
        return
    except DriverError as error:
        on_fault(error)
