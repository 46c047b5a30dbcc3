"""The content of parts: what is gathered is what is signed and what is sent."""

import random

import pytest

from core.drivers.s3.part_body import PartBody

__all__: list[str] = []

KIB = 1024


def gather(seed: int) -> tuple[PartBody, bytes]:
    """Return a body of chunks of all sizes, and its content."""
    pick = random.Random(seed)
    body, content = PartBody(pick.randbytes(100)), b""
    content += b"".join(body.blocks())
    for _ in range(60):
        chunk = pick.randbytes(pick.choice([1, 100, 5 * KIB, 64 * KIB, 64 * KIB + 1, 300 * KIB]))
        body.append(memoryview(chunk))
        content += chunk
    return body, content


@pytest.mark.parametrize("seed", range(5))
def test_what_is_gathered_is_read_in_order(seed: int) -> None:
    body, content = gather(seed)
    assert len(body) == len(content)
    assert b"".join(body.blocks()) == content


def test_a_chunk_is_copied_as_its_buffer_is_used_again() -> None:
    buffer = bytearray(b"a" * 70 * KIB)
    body = PartBody()
    for size in (10, 70 * KIB, 10):
        body.append(memoryview(buffer)[:size])
    buffer[:] = b"b" * len(buffer)
    assert set(b"".join(body.blocks())) == {ord("a")}
