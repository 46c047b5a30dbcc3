"""What is stored below a prefix: pages of keys, and the entries of a directory."""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from core.drivers.base import Entry
from core.drivers.name_order import in_name_order
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.keys import is_side_object
from core.errors import PathNotFound

if TYPE_CHECKING:
    from types_aiobotocore_s3.type_defs import (
        ListObjectsV2OutputTypeDef,
        ListObjectsV2RequestTypeDef,
    )

__all__ = ["PAGE_KEYS", "first_keys", "has_keys", "key_pages", "list_directory"]

PAGE_KEYS = 1000
"""The most that a store lists, or deletes, in one request."""


async def first_keys(
    connection: S3Connection, path: str, prefix: str, count: int = PAGE_KEYS
) -> tuple[Sequence[str], bool]:
    """Return the first keys with a prefix, and whether these are all."""
    async with connection.call(path) as client:
        page = await client.list_objects_v2(Bucket=connection.bucket, Prefix=prefix, MaxKeys=count)
    return _keys(page), not page.get("IsTruncated", False)


async def has_keys(connection: S3Connection, path: str, prefix: str) -> bool:
    """Say whether anything is stored whose key begins so."""
    keys, _ = await first_keys(connection, path, prefix, 1)
    return bool(keys)


async def key_pages(
    connection: S3Connection, path: str, prefix: str
) -> AsyncIterator[Sequence[str]]:
    """Yield all keys with a prefix, a page at a time."""
    async for page in _pages(connection, path, {"Bucket": connection.bucket, "Prefix": prefix}):
        yield _keys(page)


async def list_directory(
    connection: S3Connection, path: str, start_after: str
) -> AsyncIterator[Entry]:
    """Yield the direct children of a directory, as `StorageDriver.list` does."""
    prefix = connection.keys.below(path)
    found = False

    async def entries() -> AsyncIterator[Entry]:
        nonlocal found
        request: ListObjectsV2RequestTypeDef = {
            "Bucket": connection.bucket,
            "Prefix": prefix,
            "Delimiter": "/",
        }
        if start_after:
            request["StartAfter"] = prefix + start_after
        async for page in _pages(connection, path, request):
            # Some stores sort by the keys and some by the names; in_name_order takes either.
            keys = {common["Prefix"] for common in page.get("CommonPrefixes", ())}
            keys.update(_keys(page))
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
    connection: S3Connection, path: str, request: "ListObjectsV2RequestTypeDef"
) -> "AsyncIterator[ListObjectsV2OutputTypeDef]":
    while True:
        async with connection.call(path) as client:
            page = await client.list_objects_v2(**request)
        yield page
        if not page.get("IsTruncated", False):
            return
        request = {**request, "ContinuationToken": page["NextContinuationToken"]}


def _keys(page: "ListObjectsV2OutputTypeDef") -> Sequence[str]:
    return [item["Key"] for item in page.get("Contents", ())]
