"""Tags that never move, where routes set and remove them."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from api.access.request_access import RequestAccess
from core.digest import Digest
from core.errors import TagImmutable
from core.storage import Reference, Repository, Tag

__all__ = ["refuse_removal", "setting_tags"]


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


async def refuse_removal(
    repository: Repository, access: RequestAccess, reference: Reference
) -> None:
    """Return if no tag that never moves would go with what `reference` names.

    Raises:
        TagImmutable: one would.
    """
    if not access.has_write_once:
        return
    if isinstance(reference, Tag):
        found = [reference] if await repository.tags.find(reference) is not None else []
    else:
        found = [tag async for tag in repository.tags.lookup(reference)]
    name = str(repository.name)
    for tag in found:
        if access.is_write_once(name, str(tag)):
            digest = await repository.manifests.resolve(reference)
            raise TagImmutable(name=name, tag=str(tag), digest=str(digest))
