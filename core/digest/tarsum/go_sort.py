"""`sort_as_go`: the sort of Go 1.4, comparison by comparison.

What tarsum compares by where names repeat is no order, so that the algorithm decides the result:
up to seven entries an insertion sort, above that a quicksort with a heap sort to fall back on. It
takes no more than n log n comparisons, whatever they say.
"""

from collections.abc import Callable

__all__ = ["sort_as_go"]

_MAX_INSERTED = 7
_MIN_NINTHER = 40

IsLess = Callable[[int, int], bool]


def sort_as_go(items: list[int], is_less: IsLess) -> None:
    """Sort `items` in place."""
    _Sort(items, is_less).quick(0, len(items), 2 * len(items).bit_length())


class _Sort:
    """One run. Ranges are half-open; the arguments of every step are places, not items."""

    def __init__(self, items: list[int], is_less: IsLess) -> None:
        self._items = items
        self._is_less = is_less

    def quick(self, start: int, stop: int, depth: int) -> None:
        while stop - start > _MAX_INSERTED:
            if depth == 0:
                self._heap(start, stop)
                return
            depth -= 1
            low, high = self._partition(start, stop)
            if low - start < stop - high:
                self.quick(start, low, depth)
                start = high
            else:
                self.quick(high, stop, depth)
                stop = low
        self._insertion(start, stop)

    def _less(self, one: int, other: int) -> bool:
        return self._is_less(self._items[one], self._items[other])

    def _swap(self, one: int, other: int) -> None:
        items = self._items
        items[one], items[other] = items[other], items[one]

    def _swap_ranges(self, one: int, other: int, count: int) -> None:
        for step in range(count):
            self._swap(one + step, other + step)

    def _insertion(self, start: int, stop: int) -> None:
        for place in range(start + 1, stop):
            while place > start and self._less(place, place - 1):
                self._swap(place, place - 1)
                place -= 1  # noqa: PLW2901 - the item moves down

    def _median_to(self, target: int, one: int, other: int) -> None:
        """Move the median of three to `target`, and the least to `one`."""
        for greater, lesser in ((target, one), (other, target), (target, one)):
            if self._less(greater, lesser):
                self._swap(greater, lesser)

    def _choose_pivot(self, start: int, stop: int) -> None:
        middle = start + (stop - start) // 2
        if stop - start > _MIN_NINTHER:
            step = (stop - start) // 8
            self._median_to(start, start + step, start + 2 * step)
            self._median_to(middle, middle - step, middle + step)
            self._median_to(stop - 1, stop - 1 - step, stop - 1 - 2 * step)
        self._median_to(start, middle, stop - 1)

    def _partition(self, start: int, stop: int) -> tuple[int, int]:
        """Return where what equals the pivot begins and ends; the rest is on its side of it."""
        self._choose_pivot(start, stop)
        # Equal to the pivot, less, not looked at yet, greater, equal: these are the borders.
        pivot = start
        a, b, c, d = start + 1, start + 1, stop, stop
        while b < c:
            if self._less(b, pivot):
                b += 1
            elif not self._less(pivot, b):
                self._swap(a, b)
                a += 1
                b += 1
            elif self._less(pivot, c - 1):
                c -= 1
            elif not self._less(c - 1, pivot):
                self._swap(c - 1, d - 1)
                c -= 1
                d -= 1
            else:
                self._swap(b, c - 1)
                b += 1
                c -= 1
        count = min(b - a, a - start)
        self._swap_ranges(start, b - count, count)
        count = min(stop - d, d - c)
        self._swap_ranges(c, stop - count, count)
        return start + b - a, stop - (d - c)

    def _heap(self, start: int, stop: int) -> None:
        size = stop - start
        for root in range((size - 1) // 2, -1, -1):
            self._sift_down(root, size, start)
        for end in range(size - 1, -1, -1):
            self._swap(start, start + end)
            self._sift_down(0, end, start)

    def _sift_down(self, root: int, size: int, start: int) -> None:
        while (child := 2 * root + 1) < size:
            if child + 1 < size and self._less(start + child, start + child + 1):
                child += 1
            if not self._less(start + root, start + child):
                return
            self._swap(start + root, start + child)
            root = child
