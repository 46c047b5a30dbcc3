"""The beginning of a stream, which often is all of it: configurations, manifests, small layers.

What is known whole is hashed and stored in one go, without a task that stores what another
receives, and without changes of threads for what takes microseconds.
"""

from collections.abc import AsyncIterable, AsyncIterator

from anyio import to_thread

from core.digest import Digester

__all__ = ["SMALL_BYTES", "Gathered", "gather", "update_digester"]

SMALL_BYTES = 64 * 1024
"""Up to this size content is small: hashed and copied faster than a thread takes its turn."""


class Gathered:
    """The first bytes of a stream.

    Attributes:
        content: what came, a little more than `SMALL_BYTES` at most, or one chunk.
        is_all: whether the stream has ended with it, as it should.
    """

    def __init__(
        self, content: bytearray, rest: AsyncIterator[bytes], failure: Exception | None
    ) -> None:
        self.content = content
        self.is_all = False
        self._rest = rest
        self._failure = failure

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the whole stream: what was gathered, and then what has not come yet."""
        if self.content:
            yield bytes(self.content)
        if self._failure is not None:
            raise self._failure
        async for chunk in self._rest:
            yield chunk


async def gather(chunks: AsyncIterable[bytes]) -> Gathered:
    """Take in a stream until it ends, or fails, or is not small.

    A failure of `chunks` is raised by the `chunks` of what is returned, behind what came.
    """
    content = bytearray()
    rest = aiter(chunks)
    try:
        async for chunk in rest:
            content += chunk
            if len(content) > SMALL_BYTES:
                return Gathered(content, rest, None)
    except Exception as error:  # noqa: BLE001 - raised where the stream is read
        return Gathered(content, rest, error)
    gathered = Gathered(content, rest, None)
    gathered.is_all = True
    return gathered


async def update_digester(digester: Digester, block: bytes | bytearray | memoryview) -> None:
    """Hash a block, in a thread if it is not small."""
    if len(block) <= SMALL_BYTES:
        digester.update(block)
    else:
        await to_thread.run_sync(digester.update, block)
