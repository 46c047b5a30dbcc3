"""Tags that never move, where routes set and remove them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from api.access.request_access import RequestAccess
from core.digest import Digest
from core.errors import ManifestUnknown, TagImmutable
from core.storage import Reference, Repository, Tag

__all__ = ["deleting", "setting_tags"]


def setting_tags(
    repository: Repository, access: RequestAccess, tags: Sequence[Tag], digest: Digest
) -> AbstractAsyncContextManager[None]:
    """Keep others from setting those of the tags that never move, while the block sets them.

    Raises:
        TagImmutable: one of them points elsewhere.
        DriverUnavailable: others did not let go of them, or the store did not answer.
    """
    name = str(repository.name)
    write_once = [tag for tag in tags if access.is_write_once(name, str(tag))]
    return repository.creating_tags(write_once, digest) if write_once else nullcontext()


@asynccontextmanager
async def deleting(
    repository: Repository, access: RequestAccess, reference: Reference
) -> AsyncIterator[None]:
    """See that no tag that never moves goes with `reference`, while the block deletes it.

    Raises:
        TagImmutable: one would.
        ManifestUnknown: it is such a tag, and is not there.
        DriverUnavailable: others did not let go of the manifest, or the store did not answer.
    """
    name = str(repository.name)
    if not access.has_write_once:
        yield
    elif isinstance(reference, Tag):
        if access.is_write_once(name, str(reference)):
            _require_movable(repository, access, reference, await repository.tags.find(reference))
            # Somebody may create it now, and it would be gone again.
            raise ManifestUnknown(name=name, reference=str(reference))
        yield
    else:
        async with repository.deleting_manifest(reference):
            async for tag in repository.tags.lookup(reference):
                _require_movable(repository, access, tag, reference)
            yield


def _require_movable(
    repository: Repository, access: RequestAccess, tag: Tag, digest: Digest | None
) -> None:
    name = str(repository.name)
    if digest is not None and access.is_write_once(name, str(tag)):
        raise TagImmutable(name=name, tag=str(tag), digest=str(digest))
