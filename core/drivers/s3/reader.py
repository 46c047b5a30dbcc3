"""A range of an object, from a response that is continued where it breaks."""

from core.drivers.base import DriverReader
from core.drivers.breaks import Breaks
from core.drivers.http import HttpAnswer
from core.drivers.s3.connection import S3Connection
from core.drivers.s3.faults import CONNECTION_FAULTS, S3Refusal
from core.errors import DriverUnavailable, PathNotFound

__all__ = ["open_s3_reader"]


async def open_s3_reader(
    connection: S3Connection, path: str, start: int, stop: int | None
) -> DriverReader:
    """Open the bytes `[start, stop)` of a file by one request, as `StorageDriver.open_reader`."""
    key = connection.keys.key(path)
    if stop is None or stop > start:
        async with connection.call(path) as bucket:
            try:
                found = await bucket.open(key, _range(start, stop))
            except S3Refusal as refusal:
                if refusal.code not in {"InvalidRange", "416"}:
                    raise
            else:
                content_range = found.headers.get("content-range", "")
                length = int(found.headers["content-length"])
                size = int(content_range.rpartition("/")[2]) if content_range else length
                return _S3Reader(
                    connection,
                    path,
                    body=found,
                    etag=found.headers["etag"],
                    size=size,
                    start=start,
                    stop=start + length,
                )
    # The range is empty, and only the size of the file is left to be known.
    async with connection.call(path) as bucket:
        head = await bucket.head(key)
    return _S3Reader(
        connection,
        path,
        body=None,
        etag=head.etag,
        size=head.size,
        start=start,
        stop=start,
    )


class _S3Reader(DriverReader):
    def __init__(
        self,
        connection: S3Connection,
        path: str,
        *,
        body: HttpAnswer | None,
        etag: str,
        size: int,
        start: int,
        stop: int,
    ) -> None:
        self.size = size
        self._connection = connection
        self._path = path
        self._body = body
        self._etag = etag
        self._position = start
        self._stop = stop
        self._breaks = Breaks(connection.options.max_attempts - 1)

    async def read(self, max_bytes: int) -> bytes | memoryview:
        while self._position < self._stop:
            try:
                chunk = await self._read(min(max_bytes, self._stop - self._position))
            except CONNECTION_FAULTS as error:
                self._close_body()
                if self._breaks.is_too_many():
                    raise DriverUnavailable(self._path, type(error).__name__) from error
                continue
            if chunk:
                self._position += len(chunk)
                self._breaks.receive(len(chunk))
                return chunk
            # The answer has ended before the range has.
            self._close_body()
            if self._breaks.is_too_many():
                raise DriverUnavailable(self._path, "the content ends too early")
        return b""

    async def aclose(self) -> None:
        self._position = self._stop
        self._close_body()

    async def _read(self, max_bytes: int) -> bytes | memoryview:
        if self._body is None:
            self._body = await self._continued()
        return await self._body.read(max_bytes)

    async def _continued(self) -> HttpAnswer:
        """Ask for the rest of the range, of the very object that was opened."""
        try:
            async with self._connection.call(self._path) as bucket:
                found = await bucket.open(
                    self._connection.keys.key(self._path),
                    {**_range(self._position, self._stop), "if-match": self._etag},
                )
        except PathNotFound as error:
            raise DriverUnavailable(self._path, "was deleted while it was read") from error
        if found.length != self._stop - self._position:
            found.close()
            raise DriverUnavailable(self._path, "the store gave another range")
        return found

    def _close_body(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()


def _range(start: int, stop: int | None) -> dict[str, str]:
    if start == 0 and stop is None:
        return {}
    return {"range": f"bytes={start}-" if stop is None else f"bytes={start}-{stop - 1}"}
