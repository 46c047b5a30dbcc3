"""The entries of a directory in byte order of their names, from the order of an object store.

A store that lists keys below a delimiter gives a directory as its name and a slash, and sorts it
so: `1.0/` comes before `1/`, as a dot is less than a slash. Some sort by names instead. Either way
what comes too early is a name that begins with that of a directory, so that few entries have to
be held back, and a listing of any length is passed on while it comes.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from heapq import heappop, heappush

from core.drivers.base import Entry

__all__ = ["in_name_order"]

_MAX_HELD = 1000
"""With more entries held back, the store is asked for the directory that they wait for."""

IsDirectory = Callable[[str], Awaitable[bool]]


async def in_name_order(
    entries: AsyncIterable[Entry], is_directory: IsDirectory, start_after: str = ""
) -> AsyncIterator[Entry]:
    """Yield `entries` in byte order of their names, those greater than `start_after`, each once.

    Args:
        entries: in byte order of their names, or of their keys (those of directories end with a
            slash), names of the grammar of paths only.
        is_directory: asks the store whether there is a directory of this name.
        start_after: need not be among them.

    A name that is a file and a directory too is given once, as a directory.
    """
    order = _Order(start_after)
    async for entry in entries:
        key = f"{entry.name}/" if entry.is_directory else entry.name
        for ready in order.pop_before(key):
            yield ready
        order.push(entry)
        while len(order.held) > _MAX_HELD and (awaited := order.find_awaited(key)) is not None:
            order.settled.add(awaited)
            if await is_directory(awaited):
                order.push(Entry(name=awaited, is_directory=True))
            for ready in order.pop_before(key):
                yield ready
    for ready in order.pop_all():
        yield ready


class _Order:
    def __init__(self, start_after: str) -> None:
        self.held: list[tuple[str, bool]] = []
        self.settled: set[str] = set()
        self._last = start_after

    def push(self, entry: Entry) -> None:
        if entry.name > self._last:
            heappush(self.held, (entry.name, entry.is_directory))

    def pop_before(self, key: str) -> list[Entry]:
        """Remove what nothing from `key` on can come before, nor be the same."""
        ready = []
        while self.held and self.find_awaited(key) is None:
            ready.append(self._pop())
        return ready

    def pop_all(self) -> list[Entry]:
        ready = []
        while self.held:
            ready.append(self._pop())
        return ready

    def find_awaited(self, key: str) -> str | None:
        """Return the name of a directory that may follow and belongs before the first one held."""
        name = self.held[0][0]
        shorter = (name[:end] for end in range(1, len(name)) if name[end] < "/")
        for prefix in (*shorter, name):
            if prefix > self._last and prefix not in self.settled and f"{prefix}/" >= key:
                return prefix
        return None

    def _pop(self) -> Entry:
        name, is_directory = heappop(self.held)
        while self.held and self.held[0][0] == name:
            is_directory = heappop(self.held)[1] or is_directory
        self._last = name
        return Entry(name=name, is_directory=is_directory)
