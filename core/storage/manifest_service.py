"""`ManifestService`: the manifests of one repository, by digest and by tag."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import structlog
from anyio import CancelScope

from core.digest import Digest
from core.drivers import Change, StorageDriver
from core.errors import (
    DriverUnavailable,
    ManifestBlobUnknown,
    ManifestFaults,
    ManifestInvalid,
    ManifestUnknown,
    RegistryError,
    SizeInvalid,
)
from core.manifest import DOCKER_MANIFEST_V1, Manifest, detect_media_type
from core.manifest import Reference as ManifestReference
from core.manifest.schema1 import SignedManifest
from core.storage import paths
from core.storage.blob_store import BlobStore
from core.storage.concurrency import map_concurrently
from core.storage.layer_service import LayerService
from core.storage.links import find_link, link, unlink
from core.storage.manifest_cache import ManifestCache, StoredManifest
from core.storage.names import Reference, RepositoryName, Tag
from core.storage.referrers import ReferrersService
from core.storage.signed_manifests import Schema1Support, SignedManifests
from core.storage.tag_service import TagService

__all__ = ["ManifestService", "MissingReferences"]

_log = structlog.get_logger()

_PUBLISH_ATTEMPTS = 8

MissingReferences = Literal["refuse", "accept"]


class ManifestService:
    """Manifests of one repository. Every read goes through the repository's link."""

    def __init__(
        self,
        driver: StorageDriver,
        name: RepositoryName,
        layers: LayerService,
        tags: TagService,
        referrers: ReferrersService,
        *,
        missing_references: MissingReferences,
        cache: ManifestCache,
        schema1: Schema1Support,
    ) -> None:
        """Serve `name`; with `missing_references` "accept", sparse manifests can be pushed."""
        self._driver = driver
        self._name = name
        self._layers = layers
        self._tags = tags
        self._referrers = referrers
        self._missing_references = missing_references
        self._cache = cache
        self._blobs = BlobStore(driver)
        self._signed = SignedManifests(driver, name, layers, schema1)

    async def get(self, reference: Reference) -> StoredManifest:
        """Return a manifest, its bytes verified once more.

        An image of schema 1 has its signatures inside, and the digest that it has without them.

        Raises:
            ManifestUnknown: there is none, or what is stored is damaged, which is logged.
        """
        digest = await self.resolve(reference)
        target = await find_link(self._driver, self._link(digest), digest)
        manifest = None if target is None else await self._find(target)
        if manifest is None:
            raise self._unknown(reference)
        if digest != target:
            manifest = replace(manifest, digest=digest)
        if manifest.media_type == DOCKER_MANIFEST_V1:
            return await self._signed.join(manifest)
        return manifest

    async def resolve(self, reference: Reference) -> Digest:
        """Return the digest that a tag points to, or the digest itself.

        Raises:
            ManifestUnknown: there is no such tag.
        """
        if not isinstance(reference, Tag):
            return reference
        digest = await self._tags.find(reference)
        if digest is None:
            raise self._unknown(reference)
        return digest

    async def read_signed(self, content: bytes, reference: Reference) -> SignedManifest:
        """Return the image of schema 1 that `content` is, verified, ready to be put.

        Raises:
            Schema1Refused: such images are not taken here.
            ManifestInvalid: it is none.
            ManifestFaults: several things are wrong; a single fault is raised as itself.
        """
        sparse = self._missing_references == "accept"
        return await self._signed.read(content, reference, sparse=sparse)

    async def join_signatures(self, manifest: StoredManifest) -> StoredManifest:
        """Return the payload of an image of schema 1 as clients get it, signed.

        Raises:
            DriverError: the registry's own key is needed, and not to be had.
        """
        return await self._signed.join(manifest)

    async def put_signed(self, manifest: SignedManifest, tags: Sequence[Tag] = ()) -> None:
        """Store what `read_signed` has returned: its signatures, itself, and then the tags.

        Signatures that it was pushed with before are kept. A call that is cancelled once it has
        begun to store is carried through.
        """
        signatures = await self._signed.adding(manifest)
        changes = (
            self._blobs.putting(manifest.digest, manifest.payload),
            # Whoever finds the manifest finds its signatures.
            *signatures,
            link(self._link(manifest.digest), manifest.digest),
            *self._tags.setting(tags, manifest.digest),
        )
        with CancelScope(shield=True):
            await self._publish(manifest.digest, changes, tags)

    async def put(self, manifest: Manifest, tags: Sequence[Tag] = ()) -> None:
        """Store a manifest durably, first by its digest and then under each tag.

        Nothing is stored if anything is wrong. A call that is cancelled after the checks is
        carried through.

        Raises:
            ManifestBlobUnknown: it refers to one thing that the repository does not have.
            SizeInvalid: it tells a wrong size of one thing.
            ManifestFaults: it has several of these faults.
        """
        found = await map_concurrently(
            self._find_fault, manifest.references(), at_once=self._driver.questions_at_once
        )
        faults = [fault for fault in found if fault is not None]
        if len(faults) == 1:
            raise faults[0]
        if faults:
            raise ManifestFaults(faults)
        changes = (
            self._blobs.putting(manifest.digest, manifest.payload),
            link(self._link(manifest.digest), manifest.digest),
            *self._referrers.adding(manifest),
            # A tag must not be lost, in a crash, for a manifest that is not there.
            *self._tags.setting(tags, manifest.digest),
        )
        with CancelScope(shield=True):
            await self._publish(manifest.digest, changes, tags)

    async def delete(self, digest: Digest) -> None:
        """Remove a manifest from the repository, with all tags that point to it.

        Raises:
            ManifestUnknown: the repository does not have it.
        """
        if await find_link(self._driver, self._link(digest), digest) is None:
            raise self._unknown(digest)
        await self._remove_tags(digest)
        if not await unlink(self._driver, self._link(digest)):
            raise self._unknown(digest)
        # A push of the same manifest may have set a tag since: it saw the link that is gone now,
        # or it sees that it is gone and stores all of it again.
        if await find_link(self._driver, self._link(digest), digest) is None:
            await self._remove_tags(digest)

    async def _find(self, digest: Digest) -> StoredManifest | None:
        manifest = self._cache.find(digest)
        if manifest is None:
            payload = await self._blobs.find(digest)
            if payload is None:
                return None
            try:
                media_type = detect_media_type(payload)
            except ManifestInvalid as error:
                _log.error(
                    "stored manifest is no manifest", digest=str(digest), reason=error.message
                )
                return None
            manifest = StoredManifest(payload=payload, media_type=media_type, digest=digest)
            self._cache.keep(manifest)
        return manifest

    async def _publish(
        self, digest: Digest, changes: Sequence[Change], tags: Sequence[Tag]
    ) -> None:
        path = self._link(digest)
        for _ in range(_PUBLISH_ATTEMPTS):
            await self._driver.apply(changes)
            # A delete that came in between has taken the link, and may have taken the tags.
            if not tags or await find_link(self._driver, path, digest) is not None:
                return
        raise DriverUnavailable(path, "the manifest is deleted again and again")

    async def _remove_tags(self, digest: Digest) -> None:
        tags = [tag async for tag in self._tags.lookup(digest)]
        for tag in tags:
            if await self._tags.find(tag) != digest:
                # It was pointed elsewhere since it was found.
                continue
            try:
                await self._tags.remove(tag)
            except ManifestUnknown:
                _log.info("tag was removed by someone else", name=str(self._name), tag=str(tag))

    async def _find_fault(self, reference: ManifestReference) -> RegistryError | None:
        descriptor = reference.descriptor
        size = await self._find_size(reference)
        if size is None:
            if self._missing_references == "accept":
                return None
            return ManifestBlobUnknown(digest=str(descriptor.digest), field=reference.field)
        if size != descriptor.size:
            return SizeInvalid(
                expected=size,
                actual=descriptor.size,
                digest=str(descriptor.digest),
                field=f"{reference.field}.size",
            )
        return None

    async def _find_size(self, reference: ManifestReference) -> int | None:
        digest = reference.descriptor.digest
        if reference.kind == "blob":
            layer = await self._layers.find(digest)
            return None if layer is None else layer.size
        target = await find_link(self._driver, self._link(digest), digest)
        return None if target is None else await self._blobs.find_size(target)

    def _link(self, digest: Digest) -> str:
        return paths.revision_link(self._name, digest)

    def _unknown(self, reference: Reference) -> ManifestUnknown:
        return ManifestUnknown(name=str(self._name), reference=str(reference))
