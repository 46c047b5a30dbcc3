"""Copies and moves within the store, of large objects in ranges at the same time."""

from anyio import CancelScope

from core.drivers.s3.bucket import Part
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.faults import was_outdated
from core.drivers.s3.multipart import MultipartUpload
from core.drivers.s3.options import MAX_PARTS, MIN_PART_BYTES
from core.drivers.s3.parallel import for_each
from core.drivers.s3.upload_state import Version, find_object
from core.errors import DriverError, PathNotFound

__all__ = ["copy_into_parts", "copy_object", "move_object"]


async def move_object(connection: S3Connection, source: str, destination: str) -> None:
    """Copy an object and delete the first of the two, as `StorageDriver.move` does."""
    await copy_object(connection, source, destination)
    if source != destination:
        async with connection.change(source) as bucket:
            await bucket.delete(connection.keys.key(source))


async def copy_object(
    connection: S3Connection, source: str, destination: str, known: Version | None = None
) -> None:
    """Make an object the content of another path too, as `StorageDriver.copy` does.

    Args:
        connection: the store.
        source: the path of the object.
        destination: the other path.
        known: what the object is believed to be, which spares a request where it is true.
    """
    if known is not None and source != destination:
        try:
            await _copy_version(connection, source, destination, known)
        except DriverError as error:
            if not was_outdated(error):
                raise
        else:
            return
    found = await find_object(connection, source)
    if found is None:
        raise PathNotFound(source)
    if source != destination:
        await _copy_version(connection, source, destination, found)


async def _copy_version(
    connection: S3Connection, source: str, destination: str, found: Version
) -> None:
    if found.size > connection.options.copy_threshold_bytes:
        await _copy_large_object(connection, source, destination, found)
        return
    async with connection.change(source) as bucket:
        await bucket.copy(
            connection.keys.key(destination),
            connection.keys.key(source),
            found.etag,
            connection.storage,
        )


async def copy_into_parts(
    connection: S3Connection, source: str, upload: MultipartUpload, found: Version
) -> list[Part]:
    """Make all of an object the first parts of an upload, and return them.

    A part that a failure or a cancellation has cut off may still come to be.
    """
    size = found.size
    part_bytes = max(connection.options.copy_part_bytes, -(-size // MAX_PARTS))
    # Equal ranges end at the same time, and none of them is too small to be followed by another.
    count = max(1, min(-(-size // part_bytes), size // MIN_PART_BYTES))
    bounds = [size * number // count for number in range(count + 1)]
    parts: dict[int, Part] = {}

    async def copy(number: int) -> None:
        parts[number] = await upload.copy(
            number, connection.keys.key(source), found.etag, bounds[number - 1], bounds[number]
        )

    await for_each(connection.options.copy_concurrency, range(1, count + 1), copy)
    return [parts[number] for number in sorted(parts)]


async def _copy_large_object(
    connection: S3Connection, source: str, destination: str, found: Version
) -> None:
    upload = await MultipartUpload.create(connection, destination)
    try:
        parts = await copy_into_parts(connection, source, upload, found)
        with CancelScope(shield=True):
            await upload.complete(parts)
    except BaseException:
        await upload.abort()
        raise
