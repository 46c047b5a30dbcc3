"""Pages of lists: as many entries as were asked for, and whether there are more."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

__all__ = ["take_page"]

T = TypeVar("T")


async def take_page(entries: AsyncGenerator[T, None], size: int) -> tuple[list[T], bool]:
    """Return the first `size` entries, and whether another one follows."""
    page: list[T] = []
    async with aclosing(entries) as source:
        async for entry in source:
            if len(page) == size:
                return page, True
            page.append(entry)
    return page, False
