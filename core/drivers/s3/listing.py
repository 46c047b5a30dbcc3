"""What is stored below a prefix: pages of keys, and the entries of a directory."""

from collections.abc import AsyncIterator, Sequence

from core.drivers.base import Entry
from core.drivers.name_order import in_name_order
from core.drivers.s3.bucket import ObjectsPage
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.keys import is_side_object
from core.errors import PathNotFound

__all__ = ["PAGE_KEYS", "first_keys", "has_keys", "key_pages", "list_directory"]

PAGE_KEYS = 1000
"""The most that a store lists, or deletes, in one request."""


async def first_keys(
    connection: S3Connection, path: str, prefix: str, count: int = PAGE_KEYS
) -> tuple[Sequence[str], bool]:
    """Return the first keys with a prefix, and whether these are all."""
    async with connection.call(path) as bucket:
        page = await bucket.list_objects(prefix, max_keys=count)
    return page.keys, page.token is None


async def has_keys(connection: S3Connection, path: str, prefix: str) -> bool:
    """Say whether anything is stored whose key begins so."""
    keys, _ = await first_keys(connection, path, prefix, 1)
    return bool(keys)


async def key_pages(
    connection: S3Connection, path: str, prefix: str
) -> AsyncIterator[Sequence[str]]:
    """Yield all keys with a prefix, a page at a time."""
    async for page in _pages(connection, path, prefix):
        yield page.keys


async def list_directory(
    connection: S3Connection, path: str, start_after: str
) -> AsyncIterator[Entry]:
    """Yield the direct children of a directory, as `StorageDriver.list` does."""
    prefix = connection.keys.below(path)
    found = False

    async def entries() -> AsyncIterator[Entry]:
        nonlocal found
        behind = prefix + start_after if start_after else ""
        async for page in _pages(connection, path, prefix, "/", behind):
            # Some stores sort by the keys and some by the names; in_name_order takes either.
            keys = {*page.prefixes, *page.keys}
            found = found or bool(keys)
            for key in sorted(keys):
                name = key.removeprefix(prefix)
                is_directory = name.endswith("/")
                if name and not is_side_object(name):
                    yield Entry(name=name.removesuffix("/"), is_directory=is_directory)

    async def is_directory(name: str) -> bool:
        return await has_keys(connection, path, f"{prefix}{name}/")

    async for entry in in_name_order(entries(), is_directory, start_after):
        yield entry
    if not found and path != "/":
        # With nothing behind `start_after`, there may still be something before it.
        if start_after and await has_keys(connection, path, prefix):
            return
        raise PathNotFound(path)


async def _pages(
    connection: S3Connection, path: str, prefix: str, delimiter: str = "", start_after: str = ""
) -> AsyncIterator[ObjectsPage]:
    token: str | None = ""
    while token is not None:
        async with connection.call(path) as bucket:
            page = await bucket.list_objects(
                prefix, delimiter=delimiter, start_after=start_after, token=token
            )
        yield page
        token = page.token
