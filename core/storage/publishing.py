"""Content whose digest is known before it comes: it goes straight to where it will stay."""

from collections.abc import AsyncIterable

from anyio import CancelScope

from core.digest import Digest, Digester
from core.drivers import StorageDriver
from core.errors import SizeInvalid
from core.storage import paths
from core.storage.blob_store import BlobStore
from core.storage.intake import take_in
from core.storage.layer import Layer
from core.storage.links import layer_links, write_link
from core.storage.names import RepositoryName
from core.storage.small_bodies import check_digest, check_small, gather

__all__ = ["publish"]


async def publish(
    driver: StorageDriver,
    name: RepositoryName,
    chunks: AsyncIterable[bytes],
    digest: Digest,
    size: int | None = None,
) -> Layer:
    """Store all of `chunks` as the content of `digest`, linked by the repository `name`.

    Nothing can be read before all of it is verified, and nothing is left of what is not. When
    this returns, the blob is durable. A call that is cancelled after the content was verified is
    carried through.

    Args:
        driver: of the store.
        name: of the repository, which need not exist.
        chunks: the content, in pieces of any size.
        digest: that it must have, of an algorithm that names bytes.
        size: how many bytes must come; None if that was not said.

    Raises:
        DigestMismatch: the content has another digest.
        SizeInvalid: there were more or fewer bytes than `size`.
    """
    digester = Digester(digest.algorithm)

    async def store(block: memoryview) -> None:
        if size is not None and writer.size + len(block) > size:
            raise SizeInvalid(expected=size, actual=writer.size + len(block))
        await writer.write_and(block, digester.update)

    gathered = await gather(chunks)
    if gathered.is_all:
        return await _publish_small(driver, name, bytes(gathered.content), digest, size)
    async with await driver.open_writer(paths.blob_data(digest)) as writer:
        await take_in(gathered, store)
        if size is not None and writer.size != size:
            raise SizeInvalid(expected=size, actual=writer.size)
        await check_digest(digester, digest)
        with CancelScope(shield=True):
            await writer.commit()
            await write_link(driver, paths.layer_link(name, digest), digest)
        return Layer(driver, digest, content_digest=digest, size=writer.size)


async def _publish_small(
    driver: StorageDriver, name: RepositoryName, content: bytes, digest: Digest, size: int | None
) -> Layer:
    if size is not None and len(content) != size:
        raise SizeInvalid(expected=size, actual=len(content))
    await check_small(content, digest)
    with CancelScope(shield=True):
        changes = [BlobStore(driver).putting(digest, content)]
        await driver.apply([*changes, *layer_links(name, digest, digest)])
    return Layer(driver, digest, content_digest=digest, size=len(content))
