"""`Turns`: how those who send large files share an event loop with each other and with the rest."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

__all__ = ["Turns"]

_MEMORY_SECONDS = 0.1
"""So long after an answer others are taken to be there."""

_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, "Turns"] = WeakKeyDictionary()


class Turns:
    """Lets one sender at a time go on in each round of an event loop, the others in their order.

    If all of them went on in each round, a small request would wait for as many turns as there are
    senders, and twice, before it is read and before it is answered.

    Attributes:
        senders: how many there are.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin with no senders; `of` gives those that a loop has."""
        self._loop = loop
        self.senders = 0
        self._answered_at = float("-inf")
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_giving = False

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Self:
        """Return the turns of a loop, always the same."""
        turns = _of_loops.get(loop)
        if turns is None:
            turns = _of_loops[loop] = cls(loop)
        assert isinstance(turns, cls)
        return turns

    def __enter__(self) -> Self:
        """Take part until the block ends."""
        self.senders += 1
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take part no more."""
        self.senders -= 1

    @property
    def is_shared(self) -> bool:
        """Whether others than senders were at work a moment ago, and so are likely to be again."""
        return self._loop.time() - self._answered_at < _MEMORY_SECONDS

    def notice_answer(self) -> None:
        """Take note that a request has been answered that was not for a large file."""
        self._answered_at = self._loop.time()

    async def wait(self) -> None:
        """Return in a round of the loop in which no other sender goes on."""
        if self.senders == 1:
            await asyncio.sleep(0)
            return
        turn = self._loop.create_future()
        self._waiting.append(turn)
        if not self._is_giving:
            self._is_giving = True
            self._loop.call_soon(self._give)
        await turn

    def _give(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            # A sender that was cancelled wants its turn no more.
            if not turn.done():
                turn.set_result(None)
                break
        self._is_giving = bool(self._waiting)
        if self._is_giving:
            self._loop.call_soon(self._give)
