"""Deletes of files and directories: objects, unfinished uploads and side objects."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from anyio import CancelScope, sleep

from core.drivers.owned_tasks import OwnedTasks
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.faults import PASSING_CODES
from core.drivers.s3.keys import CLAIM, TAIL, is_side_object
from core.drivers.s3.listing import first_keys, key_pages
from core.drivers.s3.multipart import MultipartUpload, find_uploads
from core.drivers.s3.parallel import both
from core.errors import DriverError, DriverUnavailable, PathNotFound

__all__ = ["delete_file", "delete_path"]

_CONCURRENCY = 8
_RETRY_SECONDS = 0.2


async def delete_path(connection: S3Connection, path: str, *, has_uploads: bool = True) -> None:
    """Delete what `StorageDriver.delete` says, in three requests where it is little.

    Args:
        connection: the store.
        path: of a file or directory.
        has_uploads: whether to look for unfinished uploads; if not, it is a request less.

    Raises:
        PathNotFound: nothing is there.
    """
    key = connection.keys.key(path)

    async def uploads() -> list[MultipartUpload]:
        if not has_uploads:
            return []
        return [
            found
            async for found in find_uploads(connection, path, key)
            if f"{found.path}/".startswith(f"{path}/")
        ]

    # Both also find what only begins alike, which is seldom much.
    (keys, is_all), unfinished = await both(lambda: first_keys(connection, path, key), uploads)
    found = bool(unfinished)
    tasks = OwnedTasks(_CONCURRENCY)
    try:
        for upload in unfinished:
            await tasks.start(upload.abort())
        async for page in _doomed_pages(connection, path, keys, is_all=is_all):
            found = found or any(not is_side_object(doomed) for doomed in page)
            await tasks.start(_delete_keys(connection, page))
        await tasks.join()
    finally:
        # What has begun is carried through; that it failed, or who was cancelled, is known above.
        with CancelScope(shield=True):
            with suppress(DriverError):
                await tasks.join()
            await tasks.aclose()
    if not found:
        raise PathNotFound(path)


async def delete_file(connection: S3Connection, path: str) -> None:
    """Delete a file and its unfinished uploads, and nothing below it; it need not be there."""
    key = connection.keys.key(path)

    async def abort_all() -> None:
        async for found in find_uploads(connection, path, key):
            if found.path == path:
                await found.abort()

    async def delete() -> None:
        await _delete_keys(connection, [key, key + TAIL])

    await both(abort_all, delete)


async def _doomed_pages(
    connection: S3Connection, path: str, keys: Sequence[str], *, is_all: bool
) -> AsyncIterator[Sequence[str]]:
    """Yield the keys at and below a path, of which `keys` are the first that begin alike."""
    key, below = connection.keys.key(path), connection.keys.below(path)
    own = {key, key + TAIL, key + CLAIM}
    if is_all:
        if doomed := [found for found in keys if found in own or found.startswith(below)]:
            yield doomed
        return
    if key in keys:
        yield [key]
    yield [key + TAIL, key + CLAIM]
    async for page in key_pages(connection, path, below):
        if page:
            yield page


async def _delete_keys(connection: S3Connection, keys: Sequence[str]) -> None:
    """Delete up to a page of keys; those that are gone already are no error."""
    path = connection.keys.path(keys[0])
    if len(keys) == 1:
        async with connection.change(path) as bucket:
            await bucket.delete(keys[0])
        return
    for attempt in range(connection.options.max_attempts):
        async with connection.change(path) as bucket:
            left = await bucket.delete_all(keys)
        errors = [(key, code) for key, code in left if code != "NoSuchKey"]
        if not errors:
            return
        path = connection.keys.path(errors[0][0])
        reason = f"DeleteObjects: {errors[0][1]}"
        if any(code not in PASSING_CODES for _, code in errors):
            raise DriverUnavailable(path, reason)
        keys = [key for key, _ in errors]
        await sleep(_RETRY_SECONDS * 2**attempt)
    raise DriverUnavailable(path, reason)
