"""A store in a bucket of Google Cloud Storage, under the names that `docker/distribution` uses."""

from collections.abc import AsyncIterator

from anyio import CancelScope

from core.drivers.base import (
    DriverReader,
    Entry,
    FileWriter,
    ObjectInfo,
    RedirectMethod,
    StorageDriver,
    Unfinished,
)
from core.drivers.gcs.appender import GCSAppender
from core.drivers.gcs.bucket import Bucket, StoredObject
from core.drivers.gcs.claims import GCSClaimStore
from core.drivers.gcs.client import GCSClient, Timing
from core.drivers.gcs.credentials import Identity
from core.drivers.gcs.keys import Keys, claim_key, upload_prefix
from core.drivers.gcs.listing import exists_below, list_children, list_groups
from core.drivers.gcs.reader import UPLOAD_SESSION, GCSReader
from core.drivers.gcs.signing import sign_url
from core.drivers.gcs.uploads import begin_upload, delete_below, find_upload
from core.drivers.gcs.writer import GCSWriter
from core.errors import DriverUnavailable, PathNotFound

__all__ = ["GCSDriver"]

_COPY_ATTEMPTS = 8


class GCSDriver(StorageDriver):
    """Objects of a bucket. Nothing is asked of the store before the first call.

    Args:
        bucket: must exist.
        root_prefix: what the names of all objects begin with.
        service_account_file: the key of a service account as JSON; empty looks for the default
            credentials of the application when they are first needed.
        anonymous: send no credentials at all, which suits emulators.
        endpoint_url: of the JSON API.
        part_bytes: the most of a content that is sent in one piece, and held in memory.
        part_concurrency: pieces of one content that are sent at once.
        redirect: whether `redirect_url` gives URLs.
        redirect_seconds: how long they are good.
        redirect_endpoint_url: where they point to; empty is `endpoint_url`.
        connect_timeout_seconds: to make a connection.
        read_timeout_seconds: the longest silence of the store.
        max_attempts: of a call that fails for a reason that passes.
        max_connections: to the store, for reading content, and as many for all else.
    """

    name = "gcs"
    flat = True
    questions_at_once = 16

    def __init__(
        self,
        *,
        bucket: str,
        root_prefix: str = "",
        service_account_file: str = "",
        anonymous: bool = False,
        endpoint_url: str = "https://storage.googleapis.com",
        part_bytes: int = 8 * 1024 * 1024,
        part_concurrency: int = 4,
        redirect: bool = True,
        redirect_seconds: int = 1200,
        redirect_endpoint_url: str = "",
        connect_timeout_seconds: float = 10,
        read_timeout_seconds: float = 60,
        max_attempts: int = 5,
        max_connections: int = 100,
    ) -> None:
        if not bucket:
            raise ValueError("storage driver 'gcs' needs the name of a bucket")
        self._keys = Keys(root_prefix)
        self._identity = Identity(service_account_file, anonymous=anonymous)
        timing = Timing(
            connect_seconds=connect_timeout_seconds,
            silence_seconds=read_timeout_seconds,
            max_attempts=max_attempts,
        )
        client = GCSClient(endpoint_url, self._identity, timing, max_connections)
        self._bucket = Bucket(client, bucket)
        self._claims = GCSClaimStore(self._bucket, self._keys)
        self._parts = (part_bytes, part_concurrency)
        self._redirect_seconds = redirect_seconds if redirect else 0
        self._redirect_endpoint_url = redirect_endpoint_url or endpoint_url

    async def get(self, path: str) -> bytes:
        async with await self.open_reader(path) as reader:
            chunks = []
            while chunk := await reader.read(max(reader.size, 1)):
                chunks.append(chunk)
            return b"".join(chunks)

    async def put(self, path: str, content: bytes) -> None:
        with CancelScope(shield=True):
            await self._bucket.insert(self._keys.file(path), content)

    async def open_reader(self, path: str, start: int = 0, stop: int | None = None) -> DriverReader:
        return await GCSReader.open(self._bucket, path, self._keys.file(path), start, stop)

    async def open_writer(self, path: str) -> FileWriter:
        return GCSWriter(self._bucket, path, self._keys.file(path), self._parts)

    async def open_appender(self, path: str, *, create: bool = False) -> FileWriter:
        return await GCSAppender.open(
            self._bucket, path, self._keys.file(path), self._parts, self._claims, create=create
        )

    async def create_upload(self, path: str) -> None:
        with CancelScope(shield=True):
            await begin_upload(self._bucket, self._keys.file(path), None)

    async def stat(self, path: str) -> ObjectInfo:
        found = None if path == "/" else await self._find(path)
        if found is not None:
            return _file_info(path, found)
        # The root is asked about too, as this tells whether the store answers.
        below = await exists_below(self._bucket, self._keys.directory(path))
        if not below and path != "/":
            raise PathNotFound(path)
        return ObjectInfo(path=path, size=0, is_directory=True, modified_at=None)

    async def stat_upload(self, path: str) -> ObjectInfo:
        upload = await find_upload(self._bucket, self._keys.file(path))
        if upload.parts:
            return ObjectInfo(
                path=path,
                size=upload.size,
                is_directory=False,
                modified_at=max(part.updated_at for part in upload.parts),
            )
        found = await self._find(path)
        if found is None:
            raise PathNotFound(path)
        return _file_info(path, found)

    async def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        prefix = self._keys.directory(path)
        seen = False
        async for entry in list_children(self._bucket, prefix, start_after):
            seen = True
            yield entry
        if not seen and path != "/" and not await exists_below(self._bucket, prefix):
            raise PathNotFound(path)

    async def move(self, source: str, destination: str) -> None:
        with CancelScope(shield=True):
            copied = await self._copy(source, destination)
            if source != destination:
                # Should another have replaced it meanwhile, then that is not what was moved.
                await self._bucket.delete(copied.key, copied.generation)

    async def copy(self, source: str, destination: str) -> None:
        with CancelScope(shield=True):
            await self._copy(source, destination)

    async def delete(self, path: str) -> None:
        key = self._keys.file(path)
        with CancelScope(shield=True):
            found = await self._bucket.delete(key)
        for prefix in (f"{key}~", f"{key}/"):
            found = await delete_below(self._bucket, prefix) or found
        if not found:
            raise PathNotFound(path)

    async def redirect_url(self, path: str, method: RedirectMethod) -> str | None:
        if not self._redirect_seconds:
            return None
        signer = await self._identity.find_signer()
        if signer is None:
            return None
        return await sign_url(
            signer,
            self._redirect_endpoint_url,
            self._bucket.name,
            self._keys.file(path),
            method,
            seconds=self._redirect_seconds,
        )

    async def list_unfinished(self, path: str) -> AsyncIterator[Unfinished]:
        prefixes = [self._keys.directory(path)]
        if path != "/":
            prefixes.append(f"{self._keys.file(path)}~")
        for prefix in prefixes:
            async for unfinished in list_groups(self._bucket, self._keys, prefix):
                yield unfinished

    async def discard(self, unfinished: Unfinished) -> None:
        if not await delete_below(self._bucket, unfinished.key):
            raise PathNotFound(unfinished.path)
        if unfinished.key == upload_prefix(self._keys.file(unfinished.path)):
            with CancelScope(shield=True):
                await self._bucket.delete(claim_key(self._keys.file(unfinished.path)))

    async def aclose(self) -> None:
        await self._bucket.aclose()

    async def _copy(self, source: str, destination: str) -> StoredObject:
        """Copy a file inside the store, and return what was copied."""
        for _ in range(_COPY_ATTEMPTS):
            found = await self._find(source)
            if found is None:
                raise PathNotFound(source)
            target = self._keys.file(destination)
            if source == destination or await self._bucket.rewrite(found, target) is not None:
                return found
        raise DriverUnavailable(source, "replaced again and again while it was copied")

    async def _find(self, path: str) -> StoredObject | None:
        """Return the object of a file; what the incumbent keeps of an upload is none."""
        found = await self._bucket.find(self._keys.file(path))
        return None if found is None or found.content_type == UPLOAD_SESSION else found


def _file_info(path: str, found: StoredObject) -> ObjectInfo:
    return ObjectInfo(path=path, size=found.size, is_directory=False, modified_at=found.updated_at)
