"""What appenders have stored of a file: parts in the order of their numbers, behind a marker."""

from collections.abc import Sequence
from dataclasses import dataclass

from anyio import CancelScope

from core.drivers.gcs.bucket import ABSENT, Bucket, StoredObject
from core.drivers.gcs.keys import MARKER, is_marker, part_key, part_number, upload_prefix

__all__ = ["Upload", "begin_upload", "delete_below", "find_upload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What the store has of an upload.

    Attributes:
        parts: the marker and those that follow it without a gap; empty if there is no marker,
            which means that there is no upload.
        strays: the names of all else: a part whose forerunner never came, or what a deletion
            that was cut off has left.
    """

    parts: Sequence[StoredObject]
    strays: Sequence[str]

    @property
    def size(self) -> int:
        """Return the number of bytes that can be gone on behind."""
        return sum(part.size for part in self.parts)


async def find_upload(bucket: Bucket, key: str) -> Upload:
    """Return what is stored of the upload of a file, be it nothing."""
    prefix = upload_prefix(key)
    parts: list[StoredObject] = []
    strays: list[str] = []
    async for page in bucket.pages(prefix):
        for stored in page.objects:
            if part_number(prefix, stored.key) == len(parts):
                parts.append(stored)
            else:
                strays.append(stored.key)
    return Upload(parts=parts, strays=strays)


async def begin_upload(
    bucket: Bucket, key: str, committed: StoredObject | None
) -> StoredObject | None:
    """Store the marker of an upload, which holds what is committed already.

    Returns:
        The marker, or None if there is one, or `committed` is gone or another by now.
    """
    marker = part_key(upload_prefix(key), MARKER)
    if committed is None:
        return await bucket.insert(marker, b"", generation=ABSENT)
    return await bucket.rewrite(committed, marker, generation=ABSENT)


async def delete_below(bucket: Bucket, prefix: str) -> bool:
    """Delete all objects whose names begin with `prefix`, and say whether there were any.

    A call that is cancelled may have deleted a part of them; none is being deleted any more.
    """
    found = False
    async for page in bucket.pages(prefix):
        keys = [stored.key for stored in page.objects]
        markers = [key for key in keys if is_marker(key)]
        with CancelScope(shield=True):
            # Without its marker the rest is no upload: what is cut off leaves no shorter one.
            await bucket.delete_all(markers)
            await bucket.delete_all(key for key in keys if not is_marker(key))
        found = found or bool(keys)
    return found
