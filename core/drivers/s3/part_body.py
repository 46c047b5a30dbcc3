"""The content of one part, from being gathered until the store has it."""

from collections.abc import Iterator
from io import SEEK_CUR, SEEK_END, SEEK_SET
from typing import IO, Any, cast

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload, register_payload

__all__ = ["PartBody"]

_JOINED_BYTES = 64 * 1024
"""Smaller chunks are joined to blocks of about this size, larger ones are blocks by themselves."""


class PartBody:
    """Bytes in blocks that never move, as much of a file as the library needs to sign and send it.

    A buffer that grows would be copied again and again, and the holes that it leaves between the
    others of a process would take as much memory as all of them.
    """

    def __init__(self, content: bytes = b"") -> None:
        self._blocks: list[bytes | bytearray] = [content] if content else []
        self._size = len(content)
        self._position = 0

    def __len__(self) -> int:
        """Return the number of bytes."""
        return self._size

    @property
    def body(self) -> IO[bytes]:
        """Itself, as the types of the library want it."""
        return cast("IO[bytes]", self)

    def append(self, chunk: memoryview) -> None:
        """Add a copy of `chunk` to the end."""
        self._size += len(chunk)
        last = self._blocks[-1] if self._blocks else None
        if len(chunk) >= _JOINED_BYTES:
            self._blocks.append(bytes(chunk))
        elif isinstance(last, bytearray) and len(last) < _JOINED_BYTES:
            last += chunk
        else:
            self._blocks.append(bytearray(chunk))

    def blocks(self) -> Iterator[bytes | bytearray]:
        """Yield all of the content, piece by piece."""
        yield from self._blocks

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes from the position on, and move it behind them."""
        stop = self._size if size < 0 else min(self._position + size, self._size)
        pieces, start = [], 0
        for block in self._blocks:
            if start < stop and start + len(block) > self._position:
                pieces.append(block[max(0, self._position - start) : stop - start])
            start += len(block)
        self._position = max(self._position, stop)
        return b"".join(pieces)

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Move the position to where the next `read` begins, and return it."""
        base = {SEEK_SET: 0, SEEK_CUR: self._position, SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position


class _PartPayload(Payload):
    """Sends the blocks as they are, however often it is asked to."""

    _autoclose = True
    _value: PartBody

    def __init__(self, value: PartBody, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(value, *args, **kwargs)
        self._size = len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the content as a text."""
        return b"".join(self._value.blocks()).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        for block in self._value.blocks():
            await writer.write(block)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Send all of it, of which the connection takes no more than was announced."""
        del content_length
        await self.write(writer)


register_payload(_PartPayload, PartBody)
