"""What the store has of a file as appenders have left it.

It is the object at the path, or an unfinished upload, or both: an upload that goes on with an
object begins with a copy of it. The larger one counts. So, while an object is being copied, or when
a crash has ended that, it is the object; and from the moment when all of it is copied, and more
can be added, it is the upload.

Of an upload, the parts count that follow each other from the first one. Parts are sent in
parallel, so a crash may leave one without that before it. Such a stray counts for nothing, but it
cannot be deleted by itself, and would count once the gap is filled: before more is written, the
upload is completed without it, and another one goes on with the object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from core.drivers.s3.bucket import Part
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.created_uploads import CreatedUploads
from core.drivers.s3.multipart import MultipartUpload, find_uploads
from core.drivers.s3.parallel import both
from core.errors import PathNotFound

__all__ = ["StoredObject", "UploadState", "Version", "find_object", "find_upload_state"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What an object has to be for a copy of it: its size in bytes, and its ETag."""

    size: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject(Version):
    """What the store tells of an object."""

    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadState:
    """What a file consists of that appenders write.

    Attributes:
        stored: the object at the path, if there is one.
        upload: the unfinished upload to go on with, if there is one.
        parts: those of the upload that count.
        has_strays: whether the upload has others too.
        is_alone: whether it is known that the store has no other upload of this file.
    """

    stored: StoredObject | None
    upload: MultipartUpload | None
    parts: Sequence[Part] = ()
    has_strays: bool = False
    is_alone: bool = False

    @classmethod
    def of_upload(cls, upload: MultipartUpload) -> Self:
        """Return the state of an upload that has just been created."""
        return cls(stored=None, upload=upload)

    @classmethod
    def of_object(cls, stored: StoredObject) -> Self:
        """Return the state of an object without an upload."""
        return cls(stored=stored, upload=None)

    @property
    def is_object(self) -> bool:
        """Whether the content is that of the object."""
        if self.stored is None:
            return False
        return not self.parts or self.stored.size > sum(part.size for part in self.parts)

    @property
    def size(self) -> int:
        """The size of the content in bytes."""
        if self.stored is not None and self.is_object:
            return self.stored.size
        return sum(part.size for part in self.parts)

    @property
    def modified_at(self) -> datetime | None:
        """When the object was written, or the upload was begun."""
        if self.stored is not None and self.is_object:
            return self.stored.modified_at
        return None if self.upload is None else self.upload.started_at


async def find_object(connection: S3Connection, path: str) -> StoredObject | None:
    """Return what the store tells of the object at a path, or None if there is none."""
    try:
        async with connection.call(path) as bucket:
            found = await bucket.head(connection.keys.key(path))
    except PathNotFound:
        return None
    return StoredObject(size=found.size, etag=found.etag, modified_at=found.modified_at)


async def find_upload_state(
    connection: S3Connection, path: str, created: CreatedUploads
) -> UploadState | None:
    """Return what there is of a file, committed or not, or None if there is nothing."""
    upload_id = created.find(path)
    if upload_id is not None:
        upload = MultipartUpload(connection, path, upload_id, None)
        try:
            state = _state_of(upload, await upload.parts(), None, is_alone=True)
        except PathNotFound:
            created.forget(path)
        else:
            return state
    return await _search(connection, path)


async def _search(connection: S3Connection, path: str) -> UploadState | None:

    async def uploads() -> list[MultipartUpload]:
        key = connection.keys.key(path)
        return [found async for found in find_uploads(connection, path, key) if found.path == path]

    stored, found = await both(lambda: find_object(connection, path), uploads)
    states = []
    for upload in found:
        try:
            parts = await upload.parts()
        except PathNotFound:
            # It was completed or aborted meanwhile.
            continue
        states.append(_state_of(upload, parts, stored))
    if states:
        # Of several, every node has to choose the same.
        return min(states, key=_preference)
    return None if stored is None else UploadState.of_object(stored)


def _state_of(
    upload: MultipartUpload,
    parts: Sequence[Part],
    stored: StoredObject | None,
    *,
    is_alone: bool = False,
) -> UploadState:
    counting = _counting(parts)
    return UploadState(
        stored=stored,
        upload=upload,
        parts=counting,
        has_strays=len(counting) < len(parts),
        is_alone=is_alone,
    )


def _preference(state: UploadState) -> tuple[int, datetime, str]:
    assert state.upload is not None
    size = sum(part.size for part in state.parts)
    return -size, state.upload.started_at or datetime.now(UTC), state.upload.upload_id


def _counting(parts: Sequence[Part]) -> Sequence[Part]:
    counting = []
    for number, part in enumerate(parts, 1):
        if part.number != number:
            break
        counting.append(part)
    return counting
