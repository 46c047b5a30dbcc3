"""`ReferrersService`: which manifests of a repository have which subject.

The truth is the manifests themselves; the index only saves reading them all. It is a set of
segment files below `_referrers`, each with a line for each manifest that was examined: its
digest, and that of its subject if it has one. A manifest that is in no segment has not been
examined yet (it was pushed through another registry, or the index was lost) and is examined when
referrers are asked for. A line says nothing about whether the manifest is still there: that is
asked of its revision link. So segments can be written by many nodes at once, and lost, and merged,
without a lock and without a wrong answer.
"""

import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import structlog

from core.digest import Digest
from core.drivers import Change, Put, StorageDriver
from core.errors import (
    DigestInvalid,
    DriverError,
    PathNotFound,
    TagInvalid,
)
from core.manifest import (
    Descriptor,
    Manifest,
    Referrer,
    find_referrer,
    list_indexed,
)
from core.storage import paths
from core.storage.blob_store import BlobStore
from core.storage.links import find_link
from core.storage.names import RepositoryName, Tag

__all__ = ["ReferrersService", "fallback_tag"]

_log = structlog.get_logger()

_MAX_SEGMENTS = 16
"""Past this number the segments are merged into one."""

_READ_ATTEMPTS = 8

Subjects = dict[Digest, Digest | None]
"""From each manifest that was examined to its subject."""


def fallback_tag(subject: Digest) -> Tag | None:
    """Return the tag under which clients list referrers where a registry does not.

    Spec: distribution-spec 1.1, "Referrers Tag Schema": the digest cut to 32 and 64 characters,
    with a dash for the colon and for what a tag may not hold. None if that is no tag.
    """
    algorithm = subject.algorithm.name[:32].replace("+", "-")
    try:
        return Tag.parse(f"{algorithm}-{subject.encoded[:64]}")
    except TagInvalid:
        return None


class ReferrersService:
    """The referrers of one repository."""

    def __init__(self, driver: StorageDriver, name: RepositoryName) -> None:
        self._driver = driver
        self._name = name
        self._blobs = BlobStore(driver)

    async def list(self, subject: Digest) -> list[Descriptor]:
        """Return the manifests whose subject is `subject`, in order of their digests.

        Only manifests that are there now are listed. Those of the referrers tag schema, which
        clients keep for registries without this list, are among them.

        Spec: distribution-spec 1.1, "Listing Referrers" (end-12a), "Enabling the Referrers API".
        """
        subjects = await self._examine_all()
        found: dict[Digest, Descriptor] = {}
        for digest, its_subject in subjects.items():
            if its_subject == subject:
                referrer = await self._find_referrer(digest)
                if referrer is not None:
                    found[digest] = referrer.descriptor
        async for descriptor in self._list_tagged(subject):
            found.setdefault(descriptor.digest, descriptor)
        return [found[digest] for digest in sorted(found, key=str)]

    def adding(self, manifest: Manifest) -> Sequence[Change]:
        """Return the changes that enter a manifest which is linked by those before them.

        For one without a subject there are none.
        """
        if manifest.subject is None:
            return ()
        return (self._segment({manifest.digest: manifest.subject.digest}),)

    async def _examine_all(self) -> Subjects:
        """Return the subjects of all manifests, having examined those that no segment has."""
        revisions = [digest async for digest in self._list_revisions()]
        segments = await self._read_segments()
        known: Subjects = {}
        for segment in segments.values():
            known.update(segment)
        examined: Subjects = {}
        for digest in revisions:
            if digest not in known:
                payload = await self._find_payload(digest)
                # A revision whose manifest is missing may be on its way: it is left for later.
                if payload is not None:
                    referrer = find_referrer(payload, digest)
                    examined[digest] = referrer.subject if referrer else None
        known.update(examined)
        try:
            if examined:
                await self._write_segment(examined)
            if len(segments) > _MAX_SEGMENTS:
                await self._merge(segments, present=frozenset(revisions))
        except DriverError as error:
            # The answer is known; only the next one costs as much as this one.
            _log.warning("referrers index was not kept", name=str(self._name), reason=str(error))
        return known

    async def _list_revisions(self) -> AsyncIterator[Digest]:
        root = paths.revisions(self._name)
        for algorithm in await self._list_directories(root):
            for encoded in await self._list_directories(f"{root}/{algorithm}"):
                try:
                    yield Digest.parse(f"{algorithm}:{encoded}")
                except DigestInvalid:
                    # Digests of older registries cannot have subjects.
                    continue

    async def _list_directories(self, path: str) -> Sequence[str]:
        try:
            return [entry.name async for entry in self._driver.list(path) if entry.is_directory]
        except PathNotFound:
            return ()

    async def _find_referrer(self, digest: Digest) -> Referrer | None:
        payload = await self._find_payload(digest)
        return None if payload is None else find_referrer(payload, digest)

    async def _find_payload(self, digest: Digest) -> bytes | None:
        target = await find_link(self._driver, paths.revision_link(self._name, digest), digest)
        return None if target is None else await self._blobs.find(target)

    async def _list_tagged(self, subject: Digest) -> AsyncIterator[Descriptor]:
        tag = fallback_tag(subject)
        link = None if tag is None else paths.tag_current_link(self._name, tag)
        digest = None if link is None else await find_link(self._driver, link)
        payload = None if digest is None else await self._find_payload(digest)
        for descriptor in list_indexed(payload or b""):
            if await self._find_payload(descriptor.digest) is not None:
                yield descriptor

    async def _read_segments(self) -> Mapping[str, Subjects]:
        for _ in range(_READ_ATTEMPTS):
            try:
                return {
                    entry.name: await self._read_segment(entry.name)
                    async for entry in self._driver.list(paths.referrers(self._name))
                }
            except PathNotFound:
                # Either there is no index yet, or a segment was merged into another while it
                # was being read: that other one is found by listing again.
                if not await self._has_index():
                    return {}
        _log.warning("referrers index changes too fast to be read", name=str(self._name))
        return {}

    async def _has_index(self) -> bool:
        try:
            await self._driver.stat(paths.referrers(self._name))
        except PathNotFound:
            return False
        return True

    async def _read_segment(self, segment_id: str) -> Subjects:
        content = await self._driver.get(paths.referrers_segment(self._name, segment_id))
        subjects: Subjects = {}
        for line in content.decode("ascii", "replace").splitlines():
            digest, _, subject = line.partition(" ")
            try:
                subjects[Digest.parse(digest)] = Digest.parse(subject) if subject else None
            except DigestInvalid as error:
                _log.error("line of the referrers index is damaged", reason=error.message)
        return subjects

    async def _write_segment(self, subjects: Subjects) -> None:
        await self._driver.apply([self._segment(subjects)])

    def _segment(self, subjects: Subjects) -> Put:
        path = paths.referrers_segment(self._name, str(uuid.uuid4()))
        return Put(path, _format_segment(subjects))

    async def _merge(self, segments: Mapping[str, Subjects], *, present: frozenset[Digest]) -> None:
        """Write the lines of `segments` that are of manifests still there as one segment.

        A crash between the writing and the deleting leaves lines twice, which is harmless, and so
        are two nodes that merge at once.
        """
        merged: Subjects = {}
        for segment in segments.values():
            merged.update(
                {digest: subject for digest, subject in segment.items() if digest in present}
            )
        await self._write_segment(merged)
        await self._delete_segments(segments)

    async def _delete_segments(self, segment_ids: Iterable[str]) -> None:
        for segment_id in segment_ids:
            try:
                await self._driver.delete(paths.referrers_segment(self._name, segment_id))
            except PathNotFound:
                _log.info("segment was merged by someone else", segment_id=segment_id)


def _format_segment(subjects: Subjects) -> bytes:
    lines = (
        f"{digest} {subject}" if subject else f"{digest}" for digest, subject in subjects.items()
    )
    return "".join(f"{line}\n" for line in lines).encode("ascii")
