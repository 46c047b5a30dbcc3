"""The last bytes of an unfinished upload, kept as an object while they are too few for a part.

The store has them as the upload's last part too, so that nothing is lost without the object; but
a part cannot be read, and one that is smaller than the least part cannot be followed by another.
"""

from core.drivers.s3.bucket import Part
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.keys import TAIL
from core.drivers.s3.multipart import md5
from core.drivers.s3.part_body import PartBody
from core.errors import PathNotFound

__all__ = ["delete_tail", "get_tail", "put_tail"]

_PART_ETAG = "x-amz-meta-part-etag"


async def put_tail(
    connection: S3Connection, path: str, content: PartBody, part: Part | None = None
) -> str:
    """Keep `content` for the next appender, and return its ETag.

    Args:
        connection: the store.
        path: of the file that is uploaded.
        content: all bytes of the part.
        part: is noted with the content where its ETag is not the MD5 of it.
    """
    metadata = {} if part is None else {_PART_ETAG: part.etag.strip('"')}
    async with connection.change(path) as bucket:
        return await bucket.put(
            connection.keys.key(path) + TAIL, content, {**metadata, **connection.short_storage}
        )


async def get_tail(connection: S3Connection, path: str, part: Part) -> bytes | None:
    """Return the content of `part`, or None if it was not kept, or is not that of this part."""
    try:
        async with (
            connection.call(path) as bucket,
            await bucket.open(connection.keys.key(path) + TAIL) as found,
        ):
            if found.length != part.size:
                return None
            content = await found.read_all()
    except PathNotFound:
        return None
    etag = part.etag.strip('"')
    if found.headers.get(_PART_ETAG) == etag or await md5(content) == etag:
        return content
    return None


async def delete_tail(connection: S3Connection, path: str) -> None:
    """Delete what was kept, if anything was."""
    async with connection.change(path) as bucket:
        await bucket.delete(connection.keys.key(path) + TAIL)
