"""Checksums of contents that were put together."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from core.drivers.gcs.checksum import combine_crc32c

__all__: list[str] = []


def crc32c(content: bytes) -> str:
    """Return the checksum, bit by bit from its definition."""
    remainder = 0xFFFFFFFF
    for byte in content:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0x82F63B78 if remainder & 1 else 0)
    return base64.b64encode((remainder ^ 0xFFFFFFFF).to_bytes(4, "big")).decode("ascii")


def test_the_checksum_of_the_definition_is_that_of_others() -> None:
    # RFC 3720, B.4, and the check value of the catalogue of parametrised CRC algorithms.
    assert base64.b64decode(crc32c(bytes(32))) == bytes.fromhex("8a9136aa")
    assert base64.b64decode(crc32c(b"123456789")) == bytes.fromhex("e3069283")


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_checksum_of_two_contents_is_that_of_them_together(first: bytes, second: bytes) -> None:
    combined = combine_crc32c(crc32c(first), crc32c(second), len(second))
    assert combined == crc32c(first + second)


def test_the_length_of_what_follows_may_be_large() -> None:
    # Zeros behind zeros: 2**33 of them, in two ways.
    half = crc32c(bytes(1 << 10))
    size = 1 << 10
    while size < 1 << 32:
        half = combine_crc32c(half, half, size)
        size *= 2
    thirds = half
    for piece in (1 << 31, 1 << 31):
        thirds = combine_crc32c(thirds, _zeros(piece), piece)
    assert thirds == combine_crc32c(half, half, size)


def _zeros(size: int) -> str:
    checksum = crc32c(bytes(1 << 10))
    length = 1 << 10
    while length < size:
        checksum = combine_crc32c(checksum, checksum, length)
        length *= 2
    return checksum
