"""From what a client sends to large blocks, received and stored at the same time."""

from collections.abc import AsyncIterable, Awaitable, Callable

from anyio import Event, create_task_group

from core.storage.blocks import Blocks
from core.storage.file_reader import CHUNK_BYTES

__all__ = ["take_in"]

Store = Callable[[memoryview], Awaitable[None]]


async def take_in(chunks: AsyncIterable[bytes], store: Store) -> None:
    """Hand all of `chunks` to `store` in order, in blocks of `CHUNK_BYTES`.

    While one block is being stored, the next is being filled; two of them are all the memory that
    this takes, so `store` must be done with a block when it returns. When `chunks` fails, what
    came before is stored, and then the failure is raised; when `store` fails, no more is received.
    """
    source = chunks if isinstance(chunks, Blocks) else Blocks(aiter(chunks))
    storing = _Storing(store)
    filling, other = memoryview(bytearray(CHUNK_BYTES)), None
    stream_failure: Exception | None = None
    async with create_task_group() as tasks:
        while True:
            try:
                filled = await source.fill(filling)
            except Exception as error:  # noqa: BLE001 - raised again below
                stream_failure = error
                break
            await storing.done.wait()
            if not filled or storing.failure is not None:
                break
            storing.done = Event()
            tasks.start_soon(storing.run, filling[:filled])
            # Most streams that are not small fill more than one block.
            spare = other or memoryview(bytearray(CHUNK_BYTES))
            filling, other = spare, filling
    if storing.failure is not None:
        raise storing.failure
    if stream_failure is not None:
        raise stream_failure


class _Storing:
    """The storing side, which keeps its failure so that it is raised bare, not in a group.

    Attributes:
        done: is set once no block is being stored.
        failure: of the block that could not be stored.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failure: Exception | None = None
        self.done = Event()
        self.done.set()

    async def run(self, block: memoryview) -> None:
        try:
            await self._store(block)
        except Exception as error:  # noqa: BLE001 - raised by take_in
            self.failure = error
        finally:
            self.done.set()
