"""A value on its way to a path: sent in parts, which become an object when it is committed."""

from uuid import uuid4

from anyio import CancelScope

from core.drivers.base import FileWriter
from core.drivers.gcs.bucket import Bucket
from core.drivers.gcs.compose import compose_all, delete_quietly
from core.drivers.gcs.keys import parts_prefix
from core.drivers.gcs.parts import PartSender, PartSettings
from core.errors import PathNotFound

__all__ = ["GCSWriter"]


class GCSWriter(FileWriter):
    """Content of at most one part is stored whole by `commit`; nothing is sent before."""

    def __init__(self, bucket: Bucket, path: str, key: str, settings: PartSettings) -> None:
        self._bucket = bucket
        self._path = path
        self._key = key
        self._parts = PartSender(bucket, parts_prefix(key, str(uuid4())), 0, settings)
        self._committed = False
        self._closed = False

    @property
    def size(self) -> int:
        return self._parts.size

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        await self._parts.write(chunk)

    async def flush(self) -> None:
        # Nobody keeps a writer's bytes without a commit.
        return

    async def commit(self) -> None:
        if self._committed:
            return
        if self._parts.has_sent:
            sources = await self._parts.flush()
            with CancelScope(shield=True):
                if await compose_all(self._bucket, sources, self._key) is None:
                    raise PathNotFound(self._path)
                self._committed = True
                await delete_quietly(self._bucket, self._parts.keys)
        else:
            with CancelScope(shield=True):
                await self._bucket.insert(self._key, self._parts.unsent)
                self._committed = True

    async def cancel(self) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if not self._committed:
            await self._parts.discard()
