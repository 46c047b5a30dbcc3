"""One range of one generation of an object, read to its end however often the connection breaks."""

import re
from collections.abc import AsyncGenerator
from typing import Self, cast

import httpx
import structlog
from anyio import CancelScope

from core.drivers.base import DriverReader
from core.drivers.breaks import Breaks
from core.drivers.gcs.bucket import Bucket
from core.errors import DriverUnavailable, PathNotFound

__all__ = ["UPLOAD_SESSION", "GCSReader"]

UPLOAD_SESSION = "application/x-docker-upload-session"
"""The type of what the incumbent's GCS driver keeps of an upload, at the path of its content."""

_CONTENT_RANGE = re.compile(r"bytes (?:\d+-\d+|\*)/(\d+)\Z")
_READABLE = frozenset({200, 206, 404, 416})
_MAX_BREAKS = 5

_log = structlog.get_logger()


class GCSReader(DriverReader):
    """The bytes `[position, stop)`; what stands at the path later is never mixed in."""

    def __init__(self, bucket: Bucket, path: str, key: str, start: int) -> None:
        self.size = 0
        self._bucket = bucket
        self._path = path
        self._key = key
        self._position = start
        self._stop = start
        self._generation: str | None = None
        self._response: httpx.Response | None = None
        self._chunks: AsyncGenerator[bytes, None] | None = None
        self._rest = memoryview(b"")
        self._breaks = Breaks(_MAX_BREAKS)

    @classmethod
    async def open(cls, bucket: Bucket, path: str, key: str, start: int, stop: int | None) -> Self:
        """Ask for a range. One call tells the size and the generation too, if it is not empty.

        Raises:
            PathNotFound: there is no such file.
            DriverUnavailable: the store did not answer.
        """
        reader = cls(bucket, path, key, start)
        if stop == start or not await reader._open_first(stop):
            await reader._open_empty()
        return reader

    async def read(self, max_bytes: int) -> bytes:
        while not self._rest:
            if self._position >= self._stop:
                return b""
            await self._receive()
        taken = bytes(self._rest[:max_bytes])
        self._rest = self._rest[len(taken) :]
        return taken

    async def aclose(self) -> None:
        chunks, self._chunks = self._chunks, None
        response, self._response = self._response, None
        with CancelScope(shield=True):
            if chunks is not None:
                await chunks.aclose()
            if response is not None:
                await response.aclose()

    async def _open_first(self, stop: int | None) -> bool:
        """Begin to receive, and say whether there is anything in the range."""
        response = await self._request(self._position, stop)
        try:
            self._check_file(response)
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                await response.aclose()
                return False
            self._generation = response.headers.get("X-Goog-Generation")
            self.size = self._told_size(response)
            self._stop = self.size if stop is None else min(stop, self.size)
            self._take(response)
        except BaseException:
            with CancelScope(shield=True):
                await response.aclose()
            raise
        return True

    async def _open_empty(self) -> None:
        found = await self._bucket.find(self._key)
        if found is None or found.content_type == UPLOAD_SESSION:
            raise PathNotFound(self._path)
        self.size = found.size

    async def _request(self, start: int, stop: int | None) -> httpx.Response:
        # Accepting gzip keeps the store from unpacking what was stored with that encoding.
        headers = {"Accept-Encoding": "gzip"}
        if start > 0 or stop is not None:
            headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        return await self._bucket.open_media(self._key, headers, self._generation, _READABLE)

    def _check_file(self, response: httpx.Response) -> None:
        if response.status_code == httpx.codes.NOT_FOUND:
            raise PathNotFound(self._path)
        if response.headers.get("Content-Type") == UPLOAD_SESSION:
            raise PathNotFound(self._path)
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != response.headers.get("X-Goog-Stored-Content-Encoding", "identity"):
            raise DriverUnavailable(self._path, f"the store sends it with encoding {encoding}")

    def _told_size(self, response: httpx.Response) -> int:
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            if found is not None:
                return int(found[1])
        elif self._position == 0 and "Content-Length" in response.headers:
            return int(response.headers["Content-Length"])
        raise DriverUnavailable(self._path, "the store does not tell the size")

    def _take(self, response: httpx.Response) -> None:
        self._response = response
        self._chunks = cast("AsyncGenerator[bytes, None]", response.aiter_raw())

    async def _receive(self) -> None:
        """Take the next bytes from the connection, or from a new one where it has broken.

        Raises:
            DriverUnavailable: the store does not give the rest of this generation.
        """
        if self._chunks is None:
            await self._reopen()
        assert self._chunks is not None
        try:
            chunk = await anext(self._chunks, b"")
            reason = "the store sent too little"
        except httpx.RequestError as error:
            chunk = b""
            reason = f"{type(error).__name__}: {error}"
        if chunk:
            self._rest = memoryview(chunk)[: self._stop - self._position]
            self._position += len(self._rest)
            self._breaks.receive(len(chunk))
            return
        await self.aclose()
        if self._breaks.is_too_many():
            raise DriverUnavailable(self._path, f"{reason}, at byte {self._position}")
        _log.info("a read goes on", path=self._path, position=self._position, reason=reason)

    async def _reopen(self) -> None:
        if self._generation is None:
            raise DriverUnavailable(self._path, "the store does not tell generations")
        response = await self._request(self._position, self._stop)
        if response.status_code == httpx.codes.PARTIAL_CONTENT or (
            response.status_code == httpx.codes.OK and self._position == 0
        ):
            self._take(response)
            return
        with CancelScope(shield=True):
            await response.aclose()
        raise DriverUnavailable(self._path, "replaced or deleted while it was read")
