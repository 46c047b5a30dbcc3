"""What is below a path: in the order of names, or all of it."""

import re
from collections.abc import AsyncIterator

from core.drivers.azure.faults import azure_faults
from core.drivers.azure.published import without_temporary_end
from core.drivers.azure.store import AzureStore
from core.drivers.base import Entry
from core.drivers.name_order import in_name_order
from core.errors import PathNotFound

__all__ = ["has_children", "list_children", "list_names"]

_NAME = re.compile(r"[A-Za-z0-9._-]+")


async def has_children(store: AzureStore, path: str) -> bool:
    """Return whether anything is stored below a path."""
    async for _ in list_names(store, path, results_per_page=1):
        return True
    return False


async def list_names(
    store: AzureStore, path: str, *, results_per_page: int | None = None
) -> AsyncIterator[str]:
    """Yield the names of all blobs below a path."""
    with azure_faults(path):
        async for name in store.container.list_blob_names(
            name_starts_with=store.below(path), results_per_page=results_per_page
        ):
            yield name


async def list_children(store: AzureStore, path: str, start_after: str) -> AsyncIterator[Entry]:
    """Yield the direct children of a directory in byte order of their names.

    Raises:
        PathNotFound: nothing is stored below the path, and it is not the root.
    """
    seen = False

    async def is_directory(name: str) -> bool:
        return await has_children(store, f"{path.rstrip('/')}/{name}")

    entries = _entries(store, path, start_after)
    async for entry in in_name_order(entries, is_directory, start_after):
        seen = True
        yield entry
    if not seen and path != "/" and not await has_children(store, path):
        raise PathNotFound(path)


async def _entries(store: AzureStore, path: str, start_after: str) -> AsyncIterator[Entry]:
    prefix = store.below(path)
    start = prefix + start_after if _NAME.fullmatch(start_after) else None
    with azure_faults(path):
        pages = store.container.walk_blobs(prefix, delimiter="/", start_from=start).by_page()
        async for page in pages:
            # The library puts all directories of a page before its files.
            for key in sorted([item.name async for item in page]):
                is_directory = key.endswith("/")
                name = key.removeprefix(prefix).removesuffix("/")
                if _NAME.fullmatch(name) and without_temporary_end(name) == name:
                    yield Entry(name=name, is_directory=is_directory)
