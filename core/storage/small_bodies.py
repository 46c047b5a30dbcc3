"""The beginning of a stream, which often is all of it: configurations, manifests, small layers.

What is known whole is hashed and stored in one go, without a task that stores what another
receives, and without changes of threads for what takes microseconds.
"""

from collections.abc import AsyncIterable, AsyncIterator

from anyio import to_thread

from core.digest import Digest, Digester
from core.errors import DigestMismatch
from core.storage.blocks import Blocks

__all__ = [
    "SMALL_BYTES",
    "Gathered",
    "check_digest",
    "check_small",
    "gather",
    "update_digester",
]

SMALL_BYTES = 64 * 1024
"""Up to this size content is small: hashed and copied faster than a thread takes its turn."""


class Gathered(Blocks):
    """A stream whose first bytes are known.

    Attributes:
        content: these bytes, a little more than `SMALL_BYTES` at most, or one chunk. Whoever goes
            on with the stream is given them again.
        is_all: whether the stream has ended with them, as it should.
    """

    def __init__(
        self,
        content: bytearray,
        rest: AsyncIterator[bytes],
        *,
        is_all: bool = False,
        failure: Exception | None = None,
    ) -> None:
        super().__init__(rest, content, failure)
        self.content = content
        self.is_all = is_all


async def gather(chunks: AsyncIterable[bytes]) -> Gathered:
    """Take in a stream until it ends, or fails, or is not small.

    A failure of `chunks` is raised by what is returned, behind what came.
    """
    content = bytearray()
    rest = aiter(chunks)
    try:
        async for chunk in rest:
            content += chunk
            if len(content) > SMALL_BYTES:
                return Gathered(content, rest)
    except Exception as error:  # noqa: BLE001 - raised where the stream is read
        return Gathered(content, rest, failure=error)
    return Gathered(content, rest, is_all=True)


async def update_digester(digester: Digester, block: bytes | bytearray | memoryview) -> None:
    """Hash a block, in a thread if it is not small, or is read as an archive."""
    if len(block) <= SMALL_BYTES and digester.algorithm.names_bytes:
        digester.update(block)
    else:
        await to_thread.run_sync(digester.update, block)


async def check_digest(digester: Digester, digest: Digest) -> Digest:
    """Do what `Digester.check` does, in a thread if that takes long."""
    if digest.algorithm.names_bytes:
        return digester.check(digest)
    return await to_thread.run_sync(digester.check, digest)


async def check_small(content: bytes, digest: Digest) -> Digest:
    """Return the digest under which small content is to be stored, if it is that of `digest`.

    Raises:
        DigestMismatch, ArchiveInvalid, ArchiveTruncated: as from `Digester.check`.
    """
    if digest.algorithm.names_bytes:
        actual = Digest.of(content, digest.algorithm)
        if actual != digest:
            raise DigestMismatch(expected=str(digest), actual=str(actual))
        return digest
    digester = Digester(digest.algorithm)
    await update_digester(digester, content)
    return await check_digest(digester, digest)
