"""`StoreCopier`: everything of one store into another, of whatever drivers.

First the blobs, then each repository: its layers' links, its manifests' links, the rest of its
small files, and its tags last. So the destination is consistent at every moment: whenever a copy
ends, and however, no link points to what is not there. A copy that is begun again passes over what
is there already. Clients may push to the source meanwhile; the next copy takes what this one did
not find.

What is not right in the source is reported and left behind, and everything else is copied: an
image with a damaged layer still arrives with its other layers, its manifest and its tags, so that
one push of that layer heals it. Nothing is deleted at the destination.

Left behind on purpose are unfinished uploads, temporary files, empty directories, what Moorage
keeps for itself under `_moorage`, and whatever else is neither below `blobs` nor `repositories`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial

from anyio import CapacityLimiter, create_memory_object_stream
from anyio.streams.memory import MemoryObjectSendStream

from core.digest import Digest
from core.drivers import StorageDriver
from core.errors import DigestInvalid, PathNotFound
from core.storage import paths
from core.storage.blob_store import BlobStore
from core.storage.copying.blob_copier import BlobCopier
from core.storage.copying.copy_tally import CopyTally
from core.storage.copying.parallel import drain, each, for_each, run_all
from core.storage.copying.patience import Patience
from core.storage.copying.repository_copier import RepositoryCopier
from core.storage.copying.store_contents import (
    LINK,
    DigestDirectory,
    list_blob_directories,
    list_directories,
    list_repository_directories,
    walk_digest_directories,
    walk_files,
)
from core.storage.links import parse_link
from core.storage.names import RepositoryName

__all__ = ["StoreCopier"]

_MAX_LISTED_AHEAD = 100_000
"""Blobs that are listed before it is their turn, so that it is known early how much there is."""

_Blob = tuple[Digest, int]


class StoreCopier:
    """One copy, from one driver to another, which are closed by whoever opened them."""

    def __init__(
        self,
        source: StorageDriver,
        destination: StorageDriver,
        tally: CopyTally,
        *,
        repositories: Sequence[RepositoryName] = (),
        concurrency: int = 4,
        verify: bool = False,
        dry_run: bool = False,
        retry_seconds: float = 1,
    ) -> None:
        """Prepare a copy. No I/O.

        Args:
            source: is only read.
            destination: need not be empty.
            tally: is kept up to date while the copy goes on.
            repositories: only these, and the blobs that they link; none means everything.
            concurrency: blobs or small files that are copied at once. Each blob takes up to
                two of `BLOCK_BYTES` and one of `CHUNK_BYTES` in memory, and what the drivers need.
            verify: read what the destination has already, and replace it if it is damaged.
            dry_run: write nothing, and count what would be written.
            retry_seconds: to wait before something that failed is tried again.
        """
        self._source = source
        self._tally = tally
        self._names = repositories
        self._concurrency = concurrency
        self._source_blobs = BlobStore(source)
        # Apart, so that a source that answers does not hide a destination that does not.
        self._reading = Patience(tally, retry_seconds=retry_seconds)
        copying = Patience(tally, retry_seconds=retry_seconds)
        self._blobs = BlobCopier(
            source, destination, tally, copying, verify=verify, dry_run=dry_run
        )
        self._repositories = RepositoryCopier(
            source,
            destination,
            self._blobs,
            tally,
            reading=self._reading,
            copying=copying,
            slots=CapacityLimiter(concurrency),
            dry_run=dry_run,
        )

    async def copy(self) -> None:
        """Copy all that is right. What could not be copied is among the faults of the tally.

        May be cancelled at any time, and begun again.

        Raises:
            PathNotFound: the source is no store of a registry, or an empty one.
            StorageFull: there is no room at the destination.
            DriverError: the source cannot be listed, or one of the stores is out of order.
        """
        await self._source.stat(paths.ROOT)
        directories = await self._find_repositories()
        if self._names:
            await self._copy_blobs(partial(self._list_linked_blobs, directories))
        else:
            await self._copy_blobs(self._list_all_blobs)
        self._tally.total_repositories = len(directories)
        await for_each(each(directories), self._repositories.copy, limit=self._concurrency)

    async def _find_repositories(self) -> Sequence[str]:
        if not self._names:
            return [path async for path in list_repository_directories(self._source)]
        found = []
        for name in self._names:
            directory = f"{paths.REPOSITORIES}/{name}"
            children = await list_directories(self._source, directory)
            if any(child.startswith("_") for child in children):
                found.append(directory)
            else:
                self._tally.add_fault(str(name), "the source has no such repository")
        return found

    async def _copy_blobs(
        self, list_blobs: Callable[[MemoryObjectSendStream[_Blob]], Awaitable[None]]
    ) -> None:
        """Copy what `list_blobs` sends, while it goes on listing."""
        send, receive = create_memory_object_stream[_Blob](_MAX_LISTED_AHEAD)

        async def list_ahead() -> None:
            async with send:
                await list_blobs(send)
            self._tally.blobs_are_listed = True

        async def copy(blob: _Blob) -> None:
            await self._blobs.copy(*blob)

        with send, receive:
            await run_all([list_ahead, *[partial(drain, receive, copy)] * self._concurrency])

    async def _list_all_blobs(self, send: MemoryObjectSendStream[_Blob]) -> None:
        async def measure(found: DigestDirectory) -> None:
            if found.digest is None:
                self._tally.add_fault(found.path, "named by no digest that is known here")
            else:
                await self._send_measured(found.digest, send)

        await for_each(list_blob_directories(self._source), measure, limit=self._concurrency)

    async def _list_linked_blobs(
        self, directories: Sequence[str], send: MemoryObjectSendStream[_Blob]
    ) -> None:
        seen: set[Digest] = set()

        async def measure(found: DigestDirectory) -> None:
            async def read() -> Sequence[Digest]:
                return [digest async for digest in self._read_links(found.path)]

            for digest in await self._reading.attempt(found.path, read) or ():
                if digest not in seen:
                    seen.add(digest)
                    await self._send_measured(digest, send)

        await for_each(self._walk_linking(directories), measure, limit=self._concurrency)

    async def _walk_linking(
        self, directories: Sequence[str]
    ) -> AsyncGenerator[DigestDirectory, None]:
        for directory in directories:
            for root in (f"{directory}/_layers", f"{directory}/_manifests/revisions"):
                async for found in walk_digest_directories(self._source, root):
                    yield found

    async def _read_links(self, directory: str) -> AsyncGenerator[Digest, None]:
        async for path in walk_files(self._source, directory):
            if path.endswith(f"/{LINK}"):
                try:
                    digest = parse_link(await self._source.get(path))
                except (PathNotFound, DigestInvalid):
                    # It is gone, or damaged: then it is reported when it is its turn.
                    continue
                yield digest

    async def _send_measured(self, digest: Digest, send: MemoryObjectSendStream[_Blob]) -> None:
        size = await self._reading.attempt(
            str(digest), lambda: self._source_blobs.find_size(digest)
        )
        if size is not None:
            self._tally.add_blob(size)
            await send.send((digest, size))
