"""From what a client sends to large blocks, received and stored at the same time."""

import asyncio
import mmap
from collections.abc import AsyncIterable, Awaitable, Callable

from anyio import create_task_group

from core.storage.blocks import Blocks

__all__ = ["BLOCK_BYTES", "take_in"]

BLOCK_BYTES = 2 * 1024 * 1024
"""What is received and stored at once. An upload holds up to two blocks: one that is being stored,
and one that is being filled. Each costs some changes of tasks and threads, whatever its size."""

Store = Callable[[memoryview], Awaitable[None]]


async def take_in(chunks: AsyncIterable[bytes], store: Store) -> None:
    """Hand all of `chunks` to `store` in order, in blocks of `BLOCK_BYTES`.

    While one block is being stored, the next is being filled; two of them are all the memory that
    this takes, so `store` must be done with a block when it returns. When `chunks` fails, what
    came before is stored, and then the failure is raised; when `store` fails, no more is received.
    """
    source = chunks if isinstance(chunks, Blocks) else Blocks(aiter(chunks))
    storing = _Storing(store)
    filling, other = _new_block(), None
    stream_failure: Exception | None = None
    async with create_task_group() as tasks:
        tasks.start_soon(storing.run)
        while True:
            try:
                filled = await source.fill(filling)
            except Exception as error:  # noqa: BLE001 - raised again below
                stream_failure, filled = error, 0
            await storing.done.wait()
            # An empty block ends the storing side too.
            storing.give(filling[:filled])
            if not filled or storing.failure is not None:
                break
            # What is not small mostly fills more than one block.
            filling, other = other or _new_block(), filling
    if storing.failure is not None:
        raise storing.failure
    if stream_failure is not None:
        raise stream_failure


def _new_block() -> memoryview:
    # The system gives such memory page by page, as it is filled, and without filling it first.
    return memoryview(mmap.mmap(-1, BLOCK_BYTES))


class _Storing:
    """The storing side: one task, as making one for each block would cost more than the block.

    It keeps its failure, so that this is raised bare, not in a group.

    Attributes:
        done: is set while no block is being stored.
        failure: of the block that could not be stored; no other is stored after it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._block = memoryview(b"")
        self._given = asyncio.Event()
        self.failure: Exception | None = None
        self.done = asyncio.Event()
        self.done.set()

    def give(self, block: memoryview) -> None:
        """Have a block stored while none is; an empty one is the last."""
        self._block = block
        self.done.clear()
        self._given.set()

    async def run(self) -> None:
        while self.failure is None:
            await self._given.wait()
            self._given.clear()
            if not self._block:
                return
            try:
                await self._store(self._block)
            except Exception as error:  # noqa: BLE001 - raised by take_in
                self.failure = error
            finally:
                self.done.set()
