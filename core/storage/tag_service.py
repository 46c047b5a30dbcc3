"""`TagService`: names that point to manifests."""

from collections.abc import AsyncIterator, Sequence

from core.digest import Digest
from core.drivers import Barrier, Change, StorageDriver
from core.errors import ManifestUnknown, PathNotFound, TagInvalid
from core.storage import paths
from core.storage.concurrency import map_stream
from core.storage.links import find_link, link
from core.storage.names import RepositoryName, Tag

__all__ = ["TagService"]


class TagService:
    """The tags of one repository. Whether the manifest is there is not its business."""

    def __init__(self, driver: StorageDriver, name: RepositoryName) -> None:
        self._driver = driver
        self._name = name

    async def find(self, tag: Tag) -> Digest | None:
        """Return the digest that the tag points to, or None if there is no such tag."""
        return await find_link(self._driver, paths.tag_current_link(self._name, tag))

    async def set(self, tag: Tag, digest: Digest) -> None:
        """Point the tag to `digest`, durably, whatever it pointed to. Of two at once, one wins."""
        await self._driver.apply(self.setting([tag], digest))

    def setting(self, tags: Sequence[Tag], digest: Digest) -> Sequence[Change]:
        """Return the changes that point the tags to `digest`.

        What they point to by then is lost only for what is durable by then: the history of the
        tags, and all changes that stand before these in one call of `apply`.
        """
        if not tags:
            return ()
        return (
            *(link(paths.tag_index_link(self._name, tag, digest), digest) for tag in tags),
            Barrier(),
            *(link(paths.tag_current_link(self._name, tag), digest) for tag in tags),
        )

    async def remove(self, tag: Tag) -> None:
        """Remove the tag and its history. The manifest stays.

        Raises:
            ManifestUnknown: there is no such tag.
        """
        try:
            await self._driver.delete(paths.tag_directory(self._name, tag))
        except PathNotFound:
            raise ManifestUnknown(name=str(self._name), reference=str(tag)) from None

    async def list(self, start_after: str = "") -> AsyncIterator[Tag]:
        """Yield the tags greater than `start_after`, in byte order.

        A directory without a link is what a crash left of a tag, and is passed over.
        """
        try:
            async for tag, is_set in map_stream(
                self._is_set,
                self._list_directories(start_after),
                at_once=self._driver.questions_at_once,
            ):
                if is_set:
                    yield tag
        except PathNotFound:
            return

    async def lookup(self, digest: Digest) -> AsyncIterator[Tag]:
        """Yield the tags that point to `digest`."""
        try:
            async for tag, found in map_stream(
                self.find, self._list_directories(), at_once=self._driver.questions_at_once
            ):
                if found == digest:
                    yield tag
        except PathNotFound:
            return

    async def _list_directories(self, start_after: str = "") -> AsyncIterator[Tag]:
        async for entry in self._driver.list(paths.tags(self._name), start_after):
            tag = _find_tag(entry.name) if entry.is_directory else None
            if tag is not None:
                yield tag

    async def _is_set(self, tag: Tag) -> bool:
        try:
            await self._driver.stat(paths.tag_current_link(self._name, tag))
        except PathNotFound:
            return False
        return True


def _find_tag(name: str) -> Tag | None:
    try:
        return Tag.parse(name)
    except TagInvalid:
        return None
