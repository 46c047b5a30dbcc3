"""`RepositoryCopier`: the links of a repository from one store to another, each after its content.

What a repository shows first is listed first and copied last. A client pushes blobs, then the
manifest, then the tag; so whatever a tag pointed to when the tags were listed is found by the
listings that follow, however much is pushed meanwhile, and what was pushed too late to be found
is not pointed to.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from anyio import CapacityLimiter

from core.digest import Digest
from core.drivers import StorageDriver
from core.errors import DigestInvalid, PathNotFound
from core.storage.copying.blob_copier import BlobCopier
from core.storage.copying.copy_tally import CopyTally
from core.storage.copying.parallel import each, for_each
from core.storage.copying.patience import Patience
from core.storage.copying.store_contents import (
    LINK,
    DigestDirectory,
    list_directories,
    walk_digest_directories,
    walk_files,
)
from core.storage.find_file import find_file
from core.storage.links import may_hold, parse_link

__all__ = ["RepositoryCopier"]

_MAX_FILE_BYTES = 16 * 1024 * 1024
"""The largest file that is copied without being named by a digest. Those of the layout are a
few KiB; a segment of the referrers index has 144 bytes for each manifest."""

_HANDLED_APART = frozenset({"_layers", "_manifests", "_uploads", "_moorage"})
_CONVERTED = "_converted"

_Stale = Literal["tag entry", "link"]
"""As what a link counts whose content is gone, if that is no fault."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag's directory, and what its link held when the tags were listed."""

    directory: str
    content: bytes


class RepositoryCopier:
    """Copies the directories of repositories. At most `slots` things are under way at once.

    Links are copied if the destination has none or another one; nothing is deleted there. Files
    that are no links, such as the referrers index and what later versions may add, are copied as
    they are. With `dry_run`, nothing is written.
    """

    def __init__(
        self,
        source: StorageDriver,
        destination: StorageDriver,
        blobs: BlobCopier,
        tally: CopyTally,
        *,
        reading: Patience,
        copying: Patience,
        slots: CapacityLimiter,
        dry_run: bool,
    ) -> None:
        self._source = source
        self._destination = destination
        self._blobs = blobs
        self._tally = tally
        self._reading = reading
        self._copying = copying
        self._slots = slots
        self._dry_run = dry_run

    async def copy(self, directory: str) -> None:
        """Copy one repository, by the path of its directory.

        Raises:
            DriverError: the repository cannot be listed, or a store is out of order.
        """
        manifests = f"{directory}/_manifests"
        tags = await self._read_tags(f"{manifests}/tags")
        revisions = [
            found async for found in walk_digest_directories(self._source, f"{manifests}/revisions")
        ]
        present: set[Digest] = set()
        await self._for_each(
            walk_digest_directories(self._source, f"{directory}/_layers"), self._copy_layer
        )
        await self._for_each(each(revisions), partial(self._copy_revision, present))
        await self._for_each(self._walk_others(directory), partial(self._copy_other, directory))
        await self._for_each(each(tags), partial(self._copy_tag, present))
        uploads = await list_directories(self._source, f"{directory}/_uploads")
        self._tally.unfinished_uploads += len(uploads)
        self._tally.done_repositories += 1

    async def _for_each(
        self, items: AsyncGenerator[T, None], act: Callable[[T], Awaitable[None]]
    ) -> None:
        async def act_in_slot(item: T) -> None:
            async with self._slots:
                await act(item)

        await for_each(items, act_in_slot, limit=int(self._slots.total_tokens))

    async def _read_tags(self, root: str) -> Sequence[_Tag]:
        found: list[_Tag] = []

        async def read(name: str) -> None:
            directory = f"{root}/{name}"
            path = f"{directory}/current/{LINK}"
            content = await self._reading.attempt(path, lambda: find_file(self._source, path))
            # A directory without a link is what a crash has left of a tag.
            if content is not None:
                found.append(_Tag(directory, content))

        await self._for_each(each(await list_directories(self._source, root)), read)
        return found

    async def _walk_others(self, directory: str) -> AsyncGenerator[str, None]:
        """Yield the files of a repository that are not of its layers, manifests and uploads."""
        roots = [
            f"{directory}/{name}"
            for name in await list_directories(self._source, directory)
            if name.startswith("_") and name not in _HANDLED_APART
        ]
        manifests = f"{directory}/_manifests"
        roots += [
            f"{manifests}/{name}"
            for name in await list_directories(self._source, manifests)
            if name not in {"revisions", "tags"}
        ]
        for root in roots:
            async for path in walk_files(self._source, root):
                yield path

    async def _copy_layer(self, layer: DigestDirectory) -> None:
        for path in await self._list_files(layer.path):
            linked = layer.digest if path == f"{layer.path}/{LINK}" else None
            await self._copy_file(path, linked)

    async def _copy_revision(self, present: set[Digest], revision: DigestDirectory) -> None:
        """Copy what is in the directory of a manifest, its signatures before its own link."""
        for path in await self._list_files(revision.path):
            if path != f"{revision.path}/{LINK}":
                # The incumbent's garbage collection takes the signatures behind these.
                await self._copy_file(path, if_gone="link")
            elif await self._copy_file(path, revision.digest) and revision.digest is not None:
                present.add(revision.digest)

    async def _copy_other(self, directory: str, path: str) -> None:
        # What was converted can be deleted as a manifest of its own, and is converted again.
        is_conversion = path.startswith(f"{directory}/{_CONVERTED}/")
        await self._copy_file(path, if_gone="link" if is_conversion else None)

    async def _copy_tag(self, present: set[Digest], tag: _Tag) -> None:
        """Copy the history of a tag, then the tag, if its manifest is among those `present`."""
        current = f"{tag.directory}/current/{LINK}"
        history = f"{tag.directory}/index/"
        for path in await self._list_files(tag.directory):
            if path != current:
                is_history = path.startswith(history)
                await self._copy_file(path, if_gone="tag entry" if is_history else None)
        with self._tally.file():
            try:
                target = parse_link(tag.content)
            except DigestInvalid:
                self._tally.add_fault(current, "the tag holds no digest that is known here")
                return
            if target not in present:
                self._tally.add_fault(
                    current, f"the tag points to {target}, which is missing or was not copied"
                )
                return
            await self._copying.attempt(current, lambda: self._store(current, str(target)))

    async def _list_files(self, directory: str) -> Sequence[str]:
        async def collect() -> Sequence[str]:
            return [path async for path in walk_files(self._source, directory)]

        return await self._reading.attempt(directory, collect) or ()

    async def _copy_file(
        self, path: str, linked: Digest | None = None, *, if_gone: _Stale | None = None
    ) -> bool:
        """Copy a link or another small file; say whether the destination has it now."""

        async def copy() -> bool:
            if path.endswith(f"/{LINK}"):
                return await self._copy_link(path, linked, if_gone)
            return await self._copy_content(path)

        with self._tally.file():
            return await self._copying.attempt(path, copy) or False

    async def _copy_link(self, path: str, linked: Digest | None, if_gone: _Stale | None) -> bool:
        content = await find_file(self._source, path)
        if content is None:
            return False
        try:
            target = parse_link(content)
        except DigestInvalid:
            self._tally.add_fault(path, "the link holds no digest that is known here")
            return False
        if linked is not None and not may_hold(linked, target):
            self._tally.add_fault(path, f"the link is damaged: it holds {target}")
            return False
        if not await self._blobs.ensure(target):
            if if_gone == "tag entry":
                # What deleting a manifest leaves of it in the tags that it once had.
                self._tally.stale_tag_entries += 1
            elif if_gone == "link":
                self._tally.stale_links += 1
            else:
                self._tally.add_fault(
                    path, f"the link points to {target}, which is missing or was not copied"
                )
            return False
        await self._store(path, str(target))
        return True

    async def _copy_content(self, path: str) -> bool:
        try:
            found = await self._source.stat(path)
            if found.size > _MAX_FILE_BYTES:
                self._tally.add_fault(path, f"larger than {_MAX_FILE_BYTES} bytes, and no blob")
                return False
            content = await self._source.get(path)
        except PathNotFound:
            return False
        await self._store(path, content)
        return True

    async def _store(self, path: str, content: bytes | str) -> None:
        wanted = content.encode("ascii") if isinstance(content, str) else content
        if await find_file(self._destination, path) == wanted:
            self._tally.present_files += 1
            return
        if not self._dry_run:
            await self._destination.put(path, wanted)
        self._tally.copied_files += 1
