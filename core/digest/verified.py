"""A stream that ends only if it was the content it should be."""

from collections.abc import AsyncIterable, AsyncIterator

from anyio import to_thread

from core.digest.digest import Digest
from core.digest.digester import Digester
from core.errors import SizeInvalid

__all__ = ["verified"]


async def verified(
    chunks: AsyncIterable[bytes], digest: Digest, size: int | None = None
) -> AsyncIterator[bytes]:
    """Yield `chunks` as they come, and end normally only if they were the content of `digest`.

    Hashing runs in a thread. The fault of a stream is known at its end, so nothing that was
    yielded may be published before the iteration has ended.

    Raises:
        SizeInvalid: there were more bytes than `size` (raised before the chunk that is too many
            is yielded), or fewer.
        DigestMismatch: the bytes have another digest.
        ArchiveTruncated: the digest is a tarsum, and they are the beginning of an archive.
    """
    digester = Digester(digest.algorithm)
    async for chunk in chunks:
        await to_thread.run_sync(digester.update, chunk)
        if size is not None and digester.size > size:
            raise SizeInvalid(expected=size, actual=digester.size, digest=str(digest))
        yield chunk
    if size is not None and digester.size != size:
        raise SizeInvalid(expected=size, actual=digester.size, digest=str(digest))
    # Putting the sums of an archive together takes as long as hashing many chunks.
    if digest.algorithm.names_bytes:
        digester.check(digest)
    else:
        await to_thread.run_sync(digester.check, digest)
