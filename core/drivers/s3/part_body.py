"""The content of one part, from being gathered until the store has it."""

from collections.abc import Iterator
from typing import Any

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload, register_payload

__all__ = ["PartBody"]

_JOINED_BYTES = 64 * 1024
"""Smaller chunks are joined to blocks of about this size, larger ones are blocks by themselves."""


class PartBody:
    """Bytes in blocks that never move.

    A buffer that grows would be copied again and again, and the holes that it leaves between the
    others of a process would take as much memory as all of them.
    """

    def __init__(self, content: bytes = b"") -> None:
        self._blocks: list[bytes | bytearray] = [content] if content else []
        self._size = len(content)

    def __len__(self) -> int:
        """Return the number of bytes."""
        return self._size

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
