"""Content on its way into objects of one size, several of which are sent at once."""

from collections.abc import Sequence

from anyio import CancelScope

from core.drivers.gcs.bodies import Abandoned, BodyAbandoned
from core.drivers.gcs.bucket import ABSENT, Bucket, StoredObject
from core.drivers.gcs.compose import delete_quietly
from core.drivers.gcs.keys import part_key
from core.drivers.owned_tasks import OwnedTasks
from core.errors import DriverError, DriverUnavailable

__all__ = ["PartSender", "PartSettings"]

PartSettings = tuple[int, int]
"""The bytes of a part, and how many are sent at once."""


class PartSender:
    """Parts of one content, numbered in its order. Nothing is sent before one part is full.

    Attributes:
        size: of what was written, in bytes.
    """

    def __init__(self, bucket: Bucket, prefix: str, first: int, settings: PartSettings) -> None:
        """Begin with the part `first` of those whose names begin with `prefix`."""
        self.size = 0
        self._bucket = bucket
        self._prefix = prefix
        self._first = self._next = first
        self._part_bytes, concurrency = settings
        self._buffer = bytearray()
        self._tasks = OwnedTasks(concurrency)
        self._sent: dict[int, StoredObject] = {}
        self._failure: DriverError | None = None
        self._abandoned = Abandoned()

    @property
    def has_sent(self) -> bool:
        """Whether the sending of a part has begun."""
        return self._next > self._first

    @property
    def unsent(self) -> bytearray:
        """What was written behind the last part that was sent."""
        return self._buffer

    @property
    def keys(self) -> Sequence[str]:
        """The names of all parts that may have been stored."""
        return [part_key(self._prefix, number) for number in range(self._first, self._next)]

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Add `chunk`, and wait while as many parts as are allowed are on their way.

        Raises:
            DriverUnavailable: a part was not stored.
        """
        rest = memoryview(chunk)
        while rest:
            if len(self._buffer) >= self._part_bytes:
                await self._send()
            taken = rest[: self._part_bytes - len(self._buffer)]
            self._buffer += taken
            self.size += len(taken)
            rest = rest[len(taken) :]

    async def flush(self) -> list[StoredObject]:
        """Send what is left, and return all parts once they are stored.

        Raises:
            DriverUnavailable: a part was not stored.
        """
        if self._buffer:
            await self._send()
        await self._tasks.join()
        self._raise_failure()
        return [self._sent[number] for number in range(self._first, self._next)]

    async def discard(self) -> None:
        """Delete all parts, those too that are on their way."""
        with CancelScope(shield=True):
            try:
                await self.abandon()
            finally:
                await delete_quietly(self._bucket, self.keys)

    async def abandon(self) -> None:
        """Send nothing more, and return when no part is on its way.

        A part of which the store has every byte may be stored although its sender has hung up.
        So those are waited for, and the others are cut off.
        """
        self._buffer = bytearray()
        self._abandoned.is_set = True
        try:
            await self._tasks.join()
        finally:
            await self._tasks.aclose()

    async def _send(self) -> None:
        self._raise_failure()
        await self._tasks.start(self._insert(self._next, self._buffer))
        self._next += 1
        self._buffer = bytearray()

    async def _insert(self, number: int, content: bytearray) -> None:
        key = part_key(self._prefix, number)
        try:
            stored = await self._bucket.insert(
                key, content, generation=ABSENT, abandoned=self._abandoned
            )
            if stored is None:
                raise DriverUnavailable(key, "another writer has stored this part")
            self._sent[number] = stored
        except BodyAbandoned:
            return
        except DriverError as error:
            # It is raised in the next call of the writer, which then ends the other parts.
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
