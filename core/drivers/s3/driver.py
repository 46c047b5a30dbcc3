"""A store in an S3 bucket, laid out so that `docker/distribution` can work on it too."""

from collections.abc import AsyncIterator, Sequence
from weakref import WeakValueDictionary

from anyio import CancelScope
from anyio.lowlevel import checkpoint_if_cancelled

from core.drivers.base import (
    DriverReader,
    Entry,
    FileWriter,
    ObjectInfo,
    RedirectMethod,
    StorageDriver,
    Unfinished,
)
from core.drivers.changes import Change, CleanUp
from core.drivers.claims import Claim
from core.drivers.s3.appender import S3Appender
from core.drivers.s3.claims import S3Claims
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.copying import copy_object, move_object
from core.drivers.s3.created_uploads import CreatedUploads
from core.drivers.s3.deletion import delete_path
from core.drivers.s3.listing import has_keys, list_directory
from core.drivers.s3.multipart import MultipartUpload, find_uploads
from core.drivers.s3.options import S3Options
from core.drivers.s3.parallel import both
from core.drivers.s3.part_body import PartBody
from core.drivers.s3.reader import open_s3_reader
from core.drivers.s3.tails import delete_tail
from core.drivers.s3.upload_state import UploadState, find_object, find_upload_state
from core.drivers.s3.writer import S3Writer
from core.errors import PathNotFound

__all__ = ["S3Driver"]


class S3Driver(StorageDriver):
    """Objects of a bucket, whose keys are the paths behind a prefix.

    A path is for writers or for appenders, not for both at the same time: the unfinished upload
    of a writer would be taken for that of an appender.
    """

    name = "s3"
    flat = True
    questions_at_once = 16

    def __init__(self, **settings: object) -> None:
        """Take the fields of `S3Options`. Nothing is asked of the store before it is needed."""
        self._connection = S3Connection(S3Options(**settings))  # type: ignore[arg-type]
        self._claims = S3Claims(self._connection)
        self._created = CreatedUploads()
        self._appenders: WeakValueDictionary[str, S3Appender] = WeakValueDictionary()

    async def get(self, path: str) -> bytes:
        async with await self.open_reader(path) as reader:
            chunks = []
            while chunk := await reader.read(max(reader.size, 1)):
                chunks.append(chunk)
            return b"".join(chunks)

    async def put(self, path: str, content: bytes) -> None:
        async with self._connection.change(path) as bucket:
            await bucket.put(
                self._connection.keys.key(path), PartBody(content), self._connection.storage
            )

    async def open_reader(self, path: str, start: int = 0, stop: int | None = None) -> DriverReader:
        return await open_s3_reader(self._connection, path, start, stop)

    async def open_writer(self, path: str) -> FileWriter:
        return S3Writer(self._connection, path)

    async def open_appender(self, path: str, *, create: bool = False) -> FileWriter:
        claim = await Claim.acquire(self._claims, path)
        try:
            state = await find_upload_state(self._connection, path, self._created)
            if state is None:
                if not create:
                    raise PathNotFound(path)
                upload = await MultipartUpload.create(self._connection, path)
                state = UploadState.of_upload(upload)
            appender = S3Appender(self._connection, path, claim, state)
        except BaseException:
            await claim.release()
            raise
        # Of a path there is one at most, as it holds the claim.
        self._appenders[path] = appender
        return appender

    async def create_upload(self, path: str) -> None:
        upload = await MultipartUpload.create(self._connection, path)
        self._created.remember(path, upload.upload_id)

    async def stat(self, path: str) -> ObjectInfo:
        if path != "/":
            found = await find_object(self._connection, path)
            if found is not None:
                return ObjectInfo(
                    path=path, size=found.size, is_directory=False, modified_at=found.modified_at
                )
        # The root is asked about too, as this tells whether the store answers.
        below = self._connection.keys.below(path)
        if not await has_keys(self._connection, path, below) and path != "/":
            raise PathNotFound(path)
        return ObjectInfo(path=path, size=0, is_directory=True, modified_at=None)

    async def stat_upload(self, path: str) -> ObjectInfo:
        # Unlike those that write, whoever asks for this is told when the upload was begun.
        state = await find_upload_state(self._connection, path, CreatedUploads())
        if state is None:
            raise PathNotFound(path)
        return ObjectInfo(
            path=path, size=state.size, is_directory=False, modified_at=state.modified_at
        )

    async def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        async for entry in list_directory(self._connection, path, start_after):
            yield entry

    async def move(self, source: str, destination: str) -> None:
        await move_object(self._connection, source, destination)

    async def copy(self, source: str, destination: str) -> None:
        appender = self._appenders.get(source)
        known = None if appender is None else appender.version
        await copy_object(self._connection, source, destination, known)

    async def delete(self, path: str) -> None:
        await self._delete(path, has_uploads=True)

    async def apply(self, changes: Sequence[Change]) -> None:
        places = (at for at, change in enumerate(changes) if isinstance(change, CleanUp))
        first = next(places, None)
        if first is None or _is_entangled(changes):
            await super().apply(changes)
            return
        # What nobody needs is in nobody's way behind it, and so is its end.
        await checkpoint_if_cancelled()
        with CancelScope(shield=True):
            await super().apply(changes[:first])
            await both(
                lambda: super(S3Driver, self).apply(changes[first : first + 1]),
                lambda: self.apply(changes[first + 1 :]),
            )

    async def _delete_leftovers(self, path: str) -> None:
        # In the directory of an upload that was the only one, no other is unfinished.
        is_done = any(
            one.has_committed_alone and at.rpartition("/")[0] == path
            for at, one in self._appenders.items()
        )
        await self._delete(path, has_uploads=not is_done)

    async def _delete(self, path: str, *, has_uploads: bool) -> None:
        held = [one for at, one in self._appenders.items() if f"{at}/".startswith(f"{path}/")]
        await delete_path(self._connection, path, has_uploads=has_uploads)
        if self._connection.options.conditional_writes:
            for appender in held:
                appender.forget()

    async def redirect_url(self, path: str, method: RedirectMethod) -> str | None:
        if not self._connection.options.redirect:
            return None
        return await self._connection.redirect_url(path, method)

    async def list_unfinished(self, path: str) -> AsyncIterator[Unfinished]:
        keys = self._connection.keys
        prefix = keys.below(path) if path == "/" else keys.key(path)
        async for upload in find_uploads(self._connection, path, prefix):
            if path != "/" and not f"{upload.path}/".startswith(f"{path}/"):
                continue
            try:
                parts = await upload.parts()
            except PathNotFound:
                # It was completed or aborted meanwhile.
                continue
            assert upload.started_at is not None
            yield Unfinished(
                path=upload.path,
                key=upload.upload_id,
                size=sum(part.size for part in parts),
                started_at=upload.started_at,
            )

    async def discard(self, unfinished: Unfinished) -> None:
        upload = MultipartUpload(self._connection, unfinished.path, unfinished.key, None)
        if not await upload.exists():
            raise PathNotFound(unfinished.path)
        await upload.abort()
        await delete_tail(self._connection, unfinished.path)

    async def aclose(self) -> None:
        await self._connection.aclose()


def _is_entangled(changes: Sequence[Change]) -> bool:
    """Say whether a change is about something in a directory that one before it cleans up."""
    directories: list[str] = []
    for change in changes:
        paths = [getattr(change, name, "") for name in ("path", "source")]
        if any(f"{path}/".startswith(directory) for path in paths for directory in directories):
            return True
        if isinstance(change, CleanUp):
            directories.append(f"{change.path}/")
    return False
