"""The content of one part, from being gathered until the store has it."""

from collections.abc import Sequence

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

    def blocks(self) -> Sequence[bytes | bytearray]:
        """Return all of the content in pieces."""
        return self._blocks
