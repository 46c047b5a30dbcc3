"""Tags that may be created, and never moved: whoever sets one has it for itself meanwhile.

So has whoever deletes a manifest that may be given one, as the tags of a manifest go with it.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from core.digest import Digest
from core.drivers import StorageDriver
from core.errors import TagImmutable
from core.storage import paths
from core.storage.holding import holding
from core.storage.names import RepositoryName, Tag
from core.storage.tag_service import TagService

__all__ = ["creating_tags", "deleting_manifest"]


@asynccontextmanager
async def creating_tags(
    driver: StorageDriver, name: RepositoryName, tags: Iterable[Tag], digest: Digest
) -> AsyncIterator[None]:
    """Keep others from creating these tags while the block points them to `digest`.

    It holds against all who set these tags in this way, on every node that shares the store.

    Raises:
        TagImmutable: one of them points elsewhere.
        DriverUnavailable: others did not let go of them, or the store did not answer.
    """
    service = TagService(driver, name)
    async with AsyncExitStack() as stack:
        # In one order, so that two who want the same tags do not wait for each other.
        for tag in sorted(set(tags), key=str):
            claim = paths.tag_claim(name, tag)
            await stack.enter_async_context(holding(driver, claim))
            found = await service.find(tag)
            if found is not None and found != digest:
                raise TagImmutable(name=str(name), tag=str(tag), digest=str(found))
        await stack.enter_async_context(holding(driver, paths.tagged_claim(name, digest)))
        yield


def deleting_manifest(
    driver: StorageDriver, name: RepositoryName, digest: Digest
) -> AbstractAsyncContextManager[None]:
    """Keep others from creating such tags for a manifest inside the block, which may delete it.

    Raises:
        DriverUnavailable: others did not let go of it, or the store did not answer.
    """
    return holding(driver, paths.tagged_claim(name, digest))
