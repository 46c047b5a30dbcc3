"""Reading stored content again to see that it is what its digest says."""

from collections import deque

from anyio import Event, create_task_group

from core.digest import Digest, Digester
from core.drivers import StorageDriver
from core.errors import RegistryError, SizeInvalid
from core.storage.small_bodies import SMALL_BYTES, check_digest, check_small, update_digester

__all__ = ["verify_stored"]

_RANGE_BYTES = 4 * 1024 * 1024
_RANGES_AHEAD = 4


class _Range:
    """One range of a file on its way here."""

    def __init__(self, start: int, stop: int) -> None:
        self.start = start
        self.stop = stop
        self.content = bytearray()
        self.failure: RegistryError | None = None
        self.ended = Event()

    async def fetch(self, driver: StorageDriver, path: str) -> None:
        try:
            async with await driver.open_reader(path, self.start, self.stop) as reader:
                while chunk := await reader.read(self.stop - self.start - len(self.content)):
                    self.content += chunk
        except RegistryError as error:
            self.failure = error
        finally:
            self.ended.set()


async def verify_stored(driver: StorageDriver, path: str, digest: Digest, size: int) -> Digest:
    """Return the digest under which to store the file at `path`, if it is the content of `digest`.

    It must have `size` bytes. Ranges of it are read ahead of the hashing, several at once, in
    memory of 16 MiB.

    Raises:
        DigestMismatch, ArchiveInvalid, ArchiveTruncated: as from `Digester.check`.
        SizeInvalid: the store gave fewer bytes.
        DriverError: it could not be read.
    """
    if size <= SMALL_BYTES:
        return await _verify_small(driver, path, digest, size)
    digester = Digester(digest.algorithm)
    pending: deque[_Range] = deque()
    failure: RegistryError | None = None
    async with create_task_group() as tasks:
        start = 0
        while failure is None and (pending or start < size):
            while start < size and len(pending) < _RANGES_AHEAD:
                pending.append(_Range(start, min(start + _RANGE_BYTES, size)))
                tasks.start_soon(pending[-1].fetch, driver, path)
                start = pending[-1].stop
            first = pending.popleft()
            await first.ended.wait()
            await update_digester(digester, first.content)
            failure = first.failure
            if failure is None and digester.size != first.stop:
                failure = SizeInvalid(expected=size, actual=digester.size, digest=str(digest))
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return await check_digest(digester, digest)


async def _verify_small(driver: StorageDriver, path: str, digest: Digest, size: int) -> Digest:
    """Read what needs no second reader, without the tasks that would cost more than that."""
    content = _Range(0, size)
    await content.fetch(driver, path)
    if content.failure is not None:
        raise content.failure
    if len(content.content) != size:
        raise SizeInvalid(expected=size, actual=len(content.content), digest=str(digest))
    return await check_small(bytes(content.content), digest)
