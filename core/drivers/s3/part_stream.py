"""Bytes gathered into parts, several of which are on their way at once."""

from collections.abc import Awaitable, Callable, Sequence

from core.drivers.owned_tasks import OwnedTasks
from core.drivers.s3.bucket import Part
from core.drivers.s3.multipart import MultipartUpload
from core.drivers.s3.options import S3Options
from core.drivers.s3.part_body import PartBody

__all__ = ["PartStream"]


class PartStream:
    """The parts of one upload, sent in parallel and in no order.

    It holds `part_bytes * (part_concurrency + 1)` bytes at most; once parts have grown beyond
    `part_bytes`, two of them. After a failure it can only be closed.

    Attributes:
        size: of all parts and of what is gathered for the next one, in bytes.
    """

    def __init__(
        self,
        options: S3Options,
        open_upload: Callable[[], Awaitable[MultipartUpload]],
        parts: Sequence[Part] = (),
        replaced: bytes = b"",
    ) -> None:
        """Go on behind `parts`.

        Args:
            options: the sizes of parts and how many are sent at once.
            open_upload: is called before every part.
            parts: what the store has of this upload already.
            replaced: the content of a further part, too small to stay: it is sent again as the
                beginning of the next one.
        """
        self.size = sum(part.size for part in parts) + len(replaced)
        self._options = options
        self._open_upload = open_upload
        self._parts = {part.number: part for part in parts}
        self._number = len(parts) + 1
        self._buffer = PartBody(replaced)
        self._alone = bool(replaced)
        self._tasks = OwnedTasks(options.part_concurrency)

    @property
    def number(self) -> int:
        """The number of the part that is being gathered."""
        return self._number

    @property
    def gathered(self) -> PartBody:
        """What has not been sent yet."""
        return self._buffer

    @property
    def parts(self) -> list[Part]:
        """The parts that the store has confirmed, by their numbers."""
        return [self._parts[number] for number in sorted(self._parts)]

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take all of `chunk`, and send each part that it fills."""
        rest = memoryview(chunk).cast("B")
        while rest:
            room = self._options.part_size(self._number) - len(self._buffer)
            if room <= 0:
                await self.send_gathered()
                continue
            taken = rest[:room]
            self._buffer.append(taken)
            self.size += len(taken)
            rest = rest[room:]

    async def send_gathered(self) -> None:
        """Begin to send what is gathered, of whatever size, as the next part."""
        upload = await self._open_upload()
        content, number = self._buffer, self._number
        large = len(content) > self._options.part_bytes
        if large:
            await self._tasks.join()
        await self._tasks.start(self._send(upload, number, content))
        self._buffer, self._number = PartBody(), number + 1
        if self._alone or large:
            # Until the new part stands in the old one's place, nothing may come behind it.
            self._alone = False
            await self._tasks.join()

    def take_back(self, content: PartBody) -> None:
        """Gather once more the content of the last part, which is too small to be followed.

        The store has it until it is sent again, with what comes.
        """
        self._buffer, self._number = content, self._number - 1
        self._alone = True

    async def join(self) -> None:
        """Wait until the store has confirmed all parts."""
        await self._tasks.join()

    async def aclose(self) -> None:
        """Cancel what is on its way, and forget what is gathered."""
        await self._tasks.aclose()
        self._buffer = PartBody()

    async def _send(self, upload: MultipartUpload, number: int, content: PartBody) -> None:
        self._parts[number] = await upload.send(number, content)
