"""A stream of chunks that can be had in blocks too, filled in place where that is possible.

A chunk is an object of its own, made and thrown away for each piece that a client sends. A block
is memory of the caller, used again and again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, runtime_checkable

__all__ = ["Blocks", "FillsBlocks"]


@runtime_checkable
class FillsBlocks(Protocol):
    """A stream whose bytes can go straight to where they are wanted."""

    async def fill(self, block: memoryview) -> int:
        """Put the next bytes of the stream into `block`, from its start on; return their number.

        Less than all of `block` is filled only where the stream ends or breaks off, and the next
        call tells which: it returns 0, or raises why. A call that is cancelled has taken nothing
        that a later call would not give, or nothing can be read any more.

        Raises:
            Exception: the stream has broken off, and all that came before has been given.
        """


class Blocks(AsyncIterator[bytes]):
    """What is left of a stream, first bytes that were taken already included.

    Chunks and blocks may be asked for in turn; together they are the stream.
    """

    def __init__(
        self,
        rest: AsyncIterator[bytes],
        first: bytes | bytearray = b"",
        failure: Exception | None = None,
    ) -> None:
        """Begin with `first`; behind it comes `rest`, or `failure` is raised."""
        self._rest = rest
        self._fill_rest: Callable[[memoryview], Awaitable[int]] | None = None
        self._has_asked = False
        self._first = memoryview(first)
        self._failure = failure

    async def __anext__(self) -> bytes:
        """Return the next chunk of the stream."""
        if self._first:
            first, self._first = self._first, memoryview(b"")
            return bytes(first)
        if self._failure is not None:
            raise self._failure
        return await anext(self._rest)

    async def fill(self, block: memoryview) -> int:
        """Do what `FillsBlocks.fill` promises."""
        if not self._has_asked:
            # Once, and not for what is small, as the answer takes longer than most calls.
            self._has_asked = True
            self._fill_rest = self._rest.fill if isinstance(self._rest, FillsBlocks) else None
        filled = self._take_first(block)
        while filled < len(block) and self._failure is None:
            try:
                if self._fill_rest is not None:
                    return filled + await self._fill_rest(block[filled:])
                self._first = memoryview(await anext(self._rest))
            except StopAsyncIteration:
                return filled
            except Exception as error:  # noqa: BLE001 - raised by the next call
                self._failure = error
            else:
                filled += self._take_first(block[filled:])
        if self._failure is not None and not filled:
            raise self._failure
        return filled

    def _take_first(self, block: memoryview) -> int:
        taken = min(len(self._first), len(block))
        block[:taken] = self._first[:taken]
        self._first = self._first[taken:]
        return taken
