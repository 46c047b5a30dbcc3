"""Reading a range of a blob in one request, which is gone on with where it breaks."""

from collections.abc import AsyncIterator

import structlog
from anyio import CancelScope
from azure.core.exceptions import AzureError
from azure.core.rest import AsyncHttpResponse

from core.drivers.azure.faults import azure_faults
from core.drivers.azure.published import is_published
from core.drivers.azure.store import AzureStore
from core.drivers.base import DriverReader
from core.errors import DriverUnavailable, PathNotFound

__all__ = ["AzureReader"]

_OK, _PARTIAL = 200, 206
_NOT_FOUND, _CHANGED, _PAST_END = 404, 412, 416

_MAX_BREAKS = 5
"""Answers in a row that may end without a byte."""

_log = structlog.get_logger()


class AzureReader(DriverReader):
    """One range of the blob that was opened: its ETag is part of every further request.

    The body is taken from the connection as it is read, so that a reader holds little memory,
    and one that ends too early is never taken for the end of the range.
    """

    def __init__(self, store: AzureStore, path: str, start: int) -> None:
        self.size = 0
        self._store = store
        self._path = path
        self._position = start
        self._stop = start
        self._etag = ""
        self._response: AsyncHttpResponse | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._held = memoryview(b"")
        self._breaks = 0

    async def open(self, stop: int | None) -> None:
        """Ask for the bytes up to `stop`.

        Raises:
            PathNotFound: there is no blob.
        """
        start = self._position
        if stop is not None and stop <= start:
            await self._open_empty()
            return
        # A whole blob is asked for without a range: an empty one has none to give.
        whole = start == 0 and stop is None
        await self._request({} if whole else {"x-ms-range": _range(start, stop)})
        response = self._response
        if response is None:
            await self._open_empty()
            return
        self._etag = response.headers["ETag"]
        self.size = _whole_size(response)
        self._stop = self.size if stop is None else min(stop, self.size)

    async def read(self, max_bytes: int) -> bytes:
        while not self._held and self._position < self._stop:
            self._held = memoryview(await self._next_chunk())
        chunk = bytes(self._held[: min(max_bytes, self._stop - self._position)])
        self._held = self._held[len(chunk) :]
        self._position += len(chunk)
        return chunk

    async def aclose(self) -> None:
        response, self._response, self._chunks = self._response, None, None
        if response is not None:
            with CancelScope(shield=True):
                await response.close()

    async def _open_empty(self) -> None:
        """Learn whether the blob is there, and its size, where no byte of it is wanted."""
        with azure_faults(self._path):
            found = await self._store.blob(self._path).get_blob_properties()
        if not is_published(found.copy.status):
            raise PathNotFound(self._path)
        self.size = found.size

    async def _request(self, headers: dict[str, str]) -> None:
        with azure_faults(self._path):
            response = await self._store.request_content(self._path, headers)
        try:
            if response.status_code in {_OK, _PARTIAL}:
                if not is_published(response.headers.get("x-ms-copy-status")):
                    raise PathNotFound(self._path)
                self._response, self._chunks = response, response.iter_raw()
                return
            if response.status_code != _PAST_END:
                raise _refusal(self._path, response)
        except BaseException:
            await response.close()
            raise
        await response.close()

    async def _next_chunk(self) -> bytes:
        """Return the next bytes from the connection, or from a new one."""
        if self._chunks is None:
            try:
                await self._request(
                    {"x-ms-range": _range(self._position, self._stop), "If-Match": self._etag}
                )
            except PathNotFound as error:
                reason = "it was deleted while it was read"
                raise DriverUnavailable(self._path, reason) from error
        reason = "the body is short"
        if self._chunks is not None:
            try:
                async for chunk in self._chunks:
                    if chunk:
                        self._breaks = 0
                        return chunk
            except (AzureError, OSError) as error:
                reason = f"{type(error).__name__}: {error}"
        await self.aclose()
        self._breaks += 1
        if self._breaks > _MAX_BREAKS:
            raise DriverUnavailable(self._path, reason)
        _log.info("download is resumed", path=self._path, offset=self._position, reason=reason)
        return b""


def _range(start: int, stop: int | None) -> str:
    return f"bytes={start}-{'' if stop is None else stop - 1}"


def _whole_size(response: AsyncHttpResponse) -> int:
    if response.status_code == _OK:
        return int(response.headers["Content-Length"])
    return int(response.headers["Content-Range"].rpartition("/")[2])


def _refusal(path: str, response: AsyncHttpResponse) -> Exception:
    code = response.headers.get("x-ms-error-code", "")
    if response.status_code == _NOT_FOUND and code == "BlobNotFound":
        return PathNotFound(path)
    if response.status_code == _CHANGED:
        return DriverUnavailable(path, "it was replaced while it was read")
    return DriverUnavailable(path, f"azure answered {response.status_code} {code}")
