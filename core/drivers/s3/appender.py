"""An upload that several appenders write one after the other.

It is an unfinished multipart upload at the key of its path, as `docker/distribution` has it. An
appender goes on behind the last part. If that part is too small to be followed by another, its
bytes are sent again at the beginning of the part that takes its number: they come from the tail
object beside it. Where that is missing or is not the same, as with an upload that another program
has begun, the upload is completed instead, and a new one begins with a copy of the object.

What a crash leaves is always what an appender has kept, or more of what was written to it in
order. A part takes the place of the tail in one step, and nothing is sent behind it before that;
of parts sent in parallel, those without a gap before them count (`upload_state`). A tail object
counts only if it is just the last part, so it may be older or newer than that, or missing.
`complete` names each part by its ETag: were one of them overwritten by another appender, whose
claim this one has lost unknowingly, it would fail and publish nothing.
"""

from anyio import CancelScope

from core.drivers.base import FileWriter
from core.drivers.claims import Claim
from core.drivers.s3.bucket import Part
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.copying import copy_into_parts
from core.drivers.s3.deletion import delete_file
from core.drivers.s3.multipart import MultipartUpload
from core.drivers.s3.options import MIN_PART_BYTES
from core.drivers.s3.parallel import both
from core.drivers.s3.part_body import PartBody
from core.drivers.s3.part_stream import PartStream
from core.drivers.s3.reader import open_s3_reader
from core.drivers.s3.tails import delete_tail, get_tail, put_tail
from core.drivers.s3.upload_state import (
    StoredObject,
    UploadState,
    Version,
    find_object,
)
from core.errors import DriverUnavailable, PathNotFound

__all__ = ["S3Appender"]


class S3Appender(FileWriter):
    """Writes behind what is stored, under a claim that it holds until it is closed.

    Nothing of the old content is asked for before the first write, so that opening and
    committing costs just that.
    """

    def __init__(
        self, connection: S3Connection, path: str, claim: Claim, state: UploadState
    ) -> None:
        self._connection = connection
        self._path = path
        self._claim = claim
        self._state = state
        self._upload = state.upload
        self._stream: PartStream | None = None
        self._has_tail = bool(state.parts) and self._is_small(state.parts[-1])
        # How much of what this appender has written the next one would find.
        self._kept_size: int | None = None
        self._committed = False
        self._closed = False
        self._version: Version | None = None

    @property
    def version(self) -> Version | None:
        """What the object is that `commit` has made, if the store has told it."""
        return None if self._closed else self._version

    @property
    def has_committed_alone(self) -> bool:
        """Whether it has made an object of the only upload that was ever begun at the path."""
        return self._version is not None and self._state.is_alone

    def forget(self) -> None:
        """Take note that all that was stored at the path is deleted, the claim included."""
        self._has_tail = False
        self._claim.forget()

    @property
    def size(self) -> int:
        return self._state.size if self._stream is None else self._stream.size

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if len(chunk) == 0:
            return
        if self._stream is None:
            self._stream = await self._begin()
        await self._stream.write(chunk)

    async def flush(self) -> None:
        self._claim.check()
        if self._stream is not None:
            with CancelScope(shield=True):
                await self._keep(self._stream)

    async def commit(self) -> None:
        if self._committed:
            return
        self._claim.check()
        if self._stream is None and self._state.is_object:
            # What was committed before has not been added to.
            self._committed = True
            return
        parts = await self._finish_parts()
        upload = await self._open_upload()
        with CancelScope(shield=True):
            etag = await upload.complete(parts)
            self._committed = True
        if etag is not None:
            self._version = Version(size=sum(part.size for part in parts), etag=etag)

    async def cancel(self) -> None:
        if self._closed:
            return
        self._closed = True
        with CancelScope(shield=True):
            try:
                if self._stream is not None:
                    await self._stream.aclose()
                if self._upload is not None and not self._committed:
                    await self._upload.abort()
                await delete_file(self._connection, self._path)
            finally:
                await self._claim.release()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        with CancelScope(shield=True):
            try:
                if self._committed:
                    if self._has_tail:
                        await delete_tail(self._connection, self._path)
                elif self._stream is not None:
                    await self._keep(self._stream)
            finally:
                if self._stream is not None:
                    await self._stream.aclose()
                await self._claim.release()

    async def _begin(self) -> PartStream:
        """Return what takes more bytes behind those that are stored."""
        self._claim.check()
        parts, replaced = list(self._state.parts), b""
        if not self._state.is_object:
            if self._state.has_strays:
                await self._leave_upload()
            elif self._has_tail:
                tail = await get_tail(self._connection, self._path, parts[-1])
                if tail is None:
                    await self._leave_upload()
                else:
                    parts, replaced = parts[:-1], tail
        if self._state.stored is not None and self._state.is_object:
            parts, replaced = await self._take_over(self._state.stored)
        return PartStream(self._connection.options, self._open_upload, parts, replaced)

    async def _leave_upload(self) -> None:
        """Make an object of what the upload has, as nothing can be added to it."""
        upload, parts = self._state.upload, self._state.parts
        assert upload is not None
        with CancelScope(shield=True):
            if parts:
                await upload.complete(parts)
                stored = await find_object(self._connection, self._path)
                if stored is None:
                    raise PathNotFound(self._path)
                self._upload, self._state = None, UploadState.of_object(stored)
            else:
                fresh = await MultipartUpload.create(self._connection, self._path)
                self._upload, self._state = fresh, UploadState.of_upload(fresh)
                await upload.abort()

    async def _take_over(self, stored: StoredObject) -> tuple[list[Part], bytes]:
        """Make the object's content the beginning of a new upload.

        An upload that is there already may have parts of an earlier such copy, and is left.
        """
        self._upload = None
        if stored.size < MIN_PART_BYTES:
            return [], await self._read_object(stored)
        upload = await self._open_upload()
        parts = await copy_into_parts(self._connection, self._path, upload, stored)
        return parts, b""

    async def _read_object(self, stored: StoredObject) -> bytes:
        content = b""
        async with await open_s3_reader(self._connection, self._path, 0, stored.size) as reader:
            while chunk := await reader.read(stored.size):
                content += chunk
        if len(content) != stored.size:
            raise DriverUnavailable(self._path, "changed while it was read")
        return content

    async def _finish_parts(self) -> list[Part]:
        """Send what is left, as the last part, and return all of them."""
        if self._stream is None:
            if self._state.parts:
                return list(self._state.parts)
            # The store makes no object of no parts.
            return [await (await self._open_upload()).send(1, PartBody())]
        if self._stream.gathered and self._stream.size != self._kept_size:
            await self._stream.send_gathered()
        await self._stream.join()
        return self._stream.parts

    async def _keep(self, stream: PartStream) -> None:
        """Store all that was written, for the next appender; more may be written."""
        if stream.size == self._kept_size:
            return
        size = len(stream.gathered)
        if 0 < size < self._connection.options.smallest_part(stream.number):
            await self._keep_tail(stream)
        else:
            if size:
                await stream.send_gathered()
            await stream.join()
            if self._has_tail:
                await delete_tail(self._connection, self._path)
                self._has_tail = False
        self._kept_size = stream.size

    async def _keep_tail(self, stream: PartStream) -> None:
        content = stream.gathered
        self._has_tail = True

        async def send() -> None:
            await stream.send_gathered()
            await stream.join()

        async def put() -> str:
            return await put_tail(self._connection, self._path, content)

        try:
            _, etag = await both(send, put)
            part = stream.parts[-1]
            if part.etag != etag:
                # Under some kinds of encryption the two do not tell that they are the same.
                await put_tail(self._connection, self._path, content, part)
        except PathNotFound:
            await delete_tail(self._connection, self._path)
            raise
        finally:
            # Nothing may be sent behind the small part, also where its tail was not kept.
            stream.take_back(content)

    async def _open_upload(self) -> MultipartUpload:
        """Return the upload, if its path is still claimed."""
        self._claim.check()
        if self._upload is None:
            self._upload = await MultipartUpload.create(self._connection, self._path)
        return self._upload

    def _is_small(self, part: Part) -> bool:
        return part.size < self._connection.options.smallest_part(part.number)
