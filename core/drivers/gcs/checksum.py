"""The CRC32C of content that was put together, from those of its parts, without the content."""

import base64
from functools import lru_cache

__all__ = ["combine_crc32c"]

_POLYNOMIAL = 0x82F63B78
"""Castagnoli's, with the bits of each byte in the order in which they are sent."""

_ONE = 1 << 31


def combine_crc32c(first: str, second: str, second_size: int) -> str:
    """Return the checksum of two contents, one behind the other, in base 64 as the store has it.

    Args:
        first: the checksum of what stands in front.
        second: the checksum of what follows.
        second_size: the bytes that follow.
    """
    shifted = _multiply(_shift(second_size), _decoded(first))
    return base64.b64encode((shifted ^ _decoded(second)).to_bytes(4, "big")).decode("ascii")


def _decoded(checksum: str) -> int:
    return int.from_bytes(base64.b64decode(checksum), "big")


@lru_cache(maxsize=64)
def _shift(size: int) -> int:
    """Return x to the power of the bits in `size` bytes."""
    power, square, bits = _ONE, _ONE >> 1, size * 8
    while bits:
        if bits & 1:
            power = _multiply(square, power)
        square = _multiply(square, square)
        bits >>= 1
    return power


def _multiply(left: int, right: int) -> int:
    """Return the product of two polynomials, modulo the one of the checksum."""
    product = 0
    bit = _ONE
    while bit:
        if left & bit:
            product ^= right
        right = (right >> 1) ^ (_POLYNOMIAL if right & 1 else 0)
        bit >>= 1
    return product
