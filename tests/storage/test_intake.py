"""Streams on their way to a store, in chunks or in blocks that are filled in place."""

from collections.abc import AsyncIterator

import pytest
from anyio import CancelScope, Event, fail_after
from anyio.lowlevel import checkpoint

from core.storage.blocks import Blocks
from core.storage.intake import BLOCK_BYTES, take_in
from core.storage.small_bodies import SMALL_BYTES, gather

__all__: list[str] = []

CONTENT = bytes(range(256)) * (BLOCK_BYTES * 2 // 256) + b"end"


class BrokenError(Exception):
    """What a stream raises where it breaks off."""


class Filling:
    """A stream that fills blocks in place, `at_once` bytes at most, and may break off."""

    def __init__(self, content: bytes, *, breaks: bool = False, chunk_bytes: int = 50_000) -> None:
        self.left = memoryview(content)
        self.breaks = breaks
        self.chunk_bytes = chunk_bytes
        self.blocks: set[int] = set()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = self._take(self.chunk_bytes)
        if not chunk:
            raise StopAsyncIteration
        return bytes(chunk)

    async def fill(self, block: memoryview) -> int:
        await checkpoint()
        self.blocks.add(id(block.obj))
        chunk = self._take(len(block))
        block[: len(chunk)] = chunk
        return len(chunk)

    def _take(self, most: int) -> memoryview:
        chunk, self.left = self.left[:most], self.left[most:]
        if not chunk and self.breaks:
            raise BrokenError
        return chunk


async def in_chunks(content: bytes, size: int, *, breaks: bool = False) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]
    if breaks:
        raise BrokenError


class Stored:
    """A store that takes a while, and may fail."""

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.blocks: list[bytes] = []
        self.fails_at = fails_at
        self.busy = False

    async def store(self, block: memoryview) -> None:
        assert not self.busy
        self.busy = True
        before = bytes(block)
        for _ in range(3):
            await checkpoint()
        assert block == before, "it was filled again while it was being stored"
        if len(self.blocks) == self.fails_at:
            raise OSError
        self.blocks.append(before)
        self.busy = False

    @property
    def content(self) -> bytes:
        return b"".join(self.blocks)


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, len(CONTENT)])
@pytest.mark.parametrize("chunk_bytes", [0, 70_001, 3 * BLOCK_BYTES])
async def test_all_of_a_stream_is_stored_in_order_in_full_blocks(
    size: int, chunk_bytes: int
) -> None:
    content, stored = CONTENT[:size], Stored()
    stream = in_chunks(content, chunk_bytes) if chunk_bytes else Filling(content)
    await take_in(stream, stored.store)
    assert stored.content == content
    assert {len(block) for block in stored.blocks[:-1]} <= {BLOCK_BYTES}


async def test_two_blocks_are_used_in_turn_and_no_third() -> None:
    stream, stored = Filling(CONTENT * 3), Stored()
    await take_in(stream, stored.store)
    assert stored.content == CONTENT * 3
    assert len(stream.blocks) == 2


@pytest.mark.parametrize("in_place", [False, True])
async def test_what_came_before_a_stream_broke_off_is_stored(*, in_place: bool) -> None:
    stored = Stored()
    stream = Filling(CONTENT, breaks=True) if in_place else in_chunks(CONTENT, 9999, breaks=True)
    with pytest.raises(BrokenError):
        await take_in(stream, stored.store)
    assert stored.content == CONTENT


async def test_nothing_more_is_stored_or_taken_once_the_store_has_failed() -> None:
    stream, stored = Filling(CONTENT * 3), Stored(fails_at=1)
    with pytest.raises(OSError):  # noqa: PT011 - that very one
        await take_in(stream, stored.store)
    assert stored.content == CONTENT[:BLOCK_BYTES]
    assert len(stream.left) >= BLOCK_BYTES * 2


async def test_a_block_is_filled_while_another_is_stored() -> None:
    second_is_asked_for = Event()

    async def stream() -> AsyncIterator[bytes]:
        yield bytes(BLOCK_BYTES)
        second_is_asked_for.set()

    async def store(_: memoryview) -> None:
        with fail_after(5):
            await second_is_asked_for.wait()

    await take_in(stream(), store)


async def test_an_intake_that_is_cancelled_stores_nothing_more() -> None:
    stored = Stored()

    async def stream() -> AsyncIterator[bytes]:
        yield CONTENT
        scope.cancel()
        await checkpoint()
        yield CONTENT

    with CancelScope() as scope:
        await take_in(stream(), stored.store)
    assert scope.cancelled_caught
    assert len(stored.content) <= len(CONTENT)


@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("size", [0, 10, SMALL_BYTES, SMALL_BYTES + 1, 1_000_000])
async def test_what_was_gathered_comes_again_before_the_rest(
    *, size: int, in_place: bool, breaks: bool
) -> None:
    content = CONTENT[:size]
    stream = (
        Filling(content, breaks=breaks) if in_place else in_chunks(content, 9999, breaks=breaks)
    )
    gathered = await gather(stream)
    assert content.startswith(gathered.content)
    assert gathered.is_all == (size <= SMALL_BYTES and not breaks)
    stored, failure = Stored(), None
    try:
        await take_in(gathered, stored.store)
    except BrokenError as error:
        failure = error
    assert stored.content == content
    assert (failure is not None) == breaks


@pytest.mark.parametrize("in_place", [False, True])
async def test_chunks_and_blocks_of_a_stream_may_be_asked_for_in_turn(*, in_place: bool) -> None:
    content = CONTENT[:1_000_003]
    blocks = Blocks(Filling(content) if in_place else in_chunks(content, 70_000), b"first")
    block, taken = memoryview(bytearray(33_333)), b""
    while filled := await blocks.fill(block):
        taken += block[:filled]
        taken += await anext(blocks, b"")
    assert taken == b"first" + content
