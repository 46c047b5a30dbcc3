"""`FileReader`: a file of the store as something to read from and seek in."""

import os
from collections.abc import AsyncGenerator

from anyio.abc import AsyncResource

from core.drivers import DriverReader, StorageDriver
from core.errors import PathNotFound

__all__ = ["CHUNK_BYTES", "FileReader"]

CHUNK_BYTES = 1024 * 1024
"""The largest piece of content that a request holds in memory at once on the way out. What one
holds on the way in is `BLOCK_BYTES`."""

_BUFFER_BYTES = 64 * 1024


class FileReader(AsyncResource):
    """A buffered, seekable reader of one file.

    The file need not exist: a missing file reads as an empty one. Positions past the end are
    allowed, and read as the end of the file. Nothing is opened before the first read.

    Not to be used by two tasks at once.

    Attributes:
        size: in bytes, as it was looked up.
    """

    def __init__(self, driver: StorageDriver, path: str, size: int) -> None:
        """Prepare to read `path`, which held `size` bytes when it was looked up."""
        self.size = size
        self._driver = driver
        self._path = path
        self._position = 0
        self._source: DriverReader | None = None
        self._buffer = b""

    async def read(self, max_bytes: int = CHUNK_BYTES) -> bytes:
        """Return the next bytes, at least one and at most `max_bytes`; empty at the end.

        Raises:
            DriverError: the store did not give them.
        """
        if not self._buffer:
            source = await self._open()
            if source is None:
                return b""
            self._buffer = bytes(await source.read(max(max_bytes, _BUFFER_BYTES)))
        chunk, self._buffer = self._buffer[:max_bytes], self._buffer[max_bytes:]
        self._position += len(chunk)
        return chunk

    async def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position and return it. Past the end is allowed, before the start is not.

        Raises:
            ValueError: the position would be negative, or `whence` is unknown.
        """
        match whence:
            case os.SEEK_SET:
                position = offset
            case os.SEEK_CUR:
                position = self._position + offset
            case os.SEEK_END:
                position = self.size + offset
            case _:
                raise ValueError(f"unknown whence {whence}")
        if position < 0:
            raise ValueError(f"position {position} is before the start of the file")
        if position != self._position:
            await self.aclose()
            self._position = position
        return position

    def tell(self) -> int:
        """Return the position of the next byte."""
        return self._position

    async def open_range(self, start: int = 0, stop: int | None = None) -> DriverReader | None:
        """Open the bytes `[start, stop)` by themselves, or return None if there is no file.

        To be closed by the caller. Its `size` may not be the one that was looked up.

        Raises:
            DriverError: the store did not open them.
        """
        try:
            return await self._driver.open_reader(self._path, start, stop)
        except PathNotFound:
            return None

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield the bytes `[start, stop)` in chunks of at most `CHUNK_BYTES`.

        Ends early if the file does; whoever promised a length must count. To be closed with
        `contextlib.aclosing`, or run to its end.

        Raises:
            DriverError: the store did not give them.
        """
        source = await self.open_range(start, stop)
        if source is None:
            return
        async with source:
            while chunk := await source.read(CHUNK_BYTES):
                yield bytes(chunk)

    async def aclose(self) -> None:
        """Let go of the file. The reader can still be used, and opens it again."""
        self._buffer = b""
        if self._source is not None:
            source, self._source = self._source, None
            await source.aclose()

    async def _open(self) -> DriverReader | None:
        if self._source is None:
            try:
                self._source = await self._driver.open_reader(self._path, self._position)
            except PathNotFound:
                return None
        return self._source
