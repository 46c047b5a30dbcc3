"""From a client's small chunks to large blocks, received and stored at the same time."""

from collections.abc import AsyncIterable, Awaitable, Callable

from anyio import BrokenResourceError, create_memory_object_stream, create_task_group
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from core.storage.file_reader import CHUNK_BYTES

__all__ = ["take_in"]

Store = Callable[[bytes | bytearray], Awaitable[None]]


async def take_in(chunks: AsyncIterable[bytes], store: Store) -> None:
    """Hand all of `chunks` to `store` in order, in blocks of `CHUNK_BYTES`.

    While one block is being stored, the next is being gathered. When `chunks` fails, what came
    before is stored, and then the failure is raised; when `store` fails, no more is received.
    """
    intake = _Intake(store)
    send, receive = create_memory_object_stream[bytes | bytearray](0)
    stream_failure: Exception | None = None
    async with create_task_group() as tasks:
        tasks.start_soon(intake.store_blocks, receive)
        async with send:
            block = bytearray()
            try:
                async for chunk in chunks:
                    block += chunk
                    if len(block) >= CHUNK_BYTES:
                        full, block = block, bytearray()
                        if not await _hand_over(full, send):
                            break
            except Exception as error:  # noqa: BLE001 - raised again below
                stream_failure = error
            if block:
                await _hand_over(block, send)
    if intake.failure is not None:
        raise intake.failure
    if stream_failure is not None:
        raise stream_failure


async def _hand_over(block: bytearray, send: MemoryObjectSendStream[bytes | bytearray]) -> bool:
    """Give a block to the storing side; say whether that still takes any."""
    try:
        await send.send(block)
    except BrokenResourceError:
        # The storing side has stopped; its own failure is the one to tell.
        return False
    return True


class _Intake:
    """The storing side, which keeps its failure so that it is raised bare, not in a group."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failure: Exception | None = None

    async def store_blocks(self, receive: MemoryObjectReceiveStream[bytes | bytearray]) -> None:
        async with receive:
            try:
                async for block in receive:
                    await self._store(block)
            except Exception as error:  # noqa: BLE001 - raised by take_in
                self.failure = error
