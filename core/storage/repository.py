"""`Repository`: a handle on everything under one name, made without I/O."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager

from core.digest import Digest
from core.drivers import StorageDriver
from core.errors import NameUnknown, PathNotFound
from core.storage import paths
from core.storage.conversions import Conversions
from core.storage.descriptor_cache import NO_DESCRIPTORS, DescriptorCache
from core.storage.layer_service import LayerService
from core.storage.manifest_cache import ManifestCache
from core.storage.manifest_service import ManifestService, MissingReferences
from core.storage.names import RepositoryName, Tag
from core.storage.recent_digesters import RecentDigesters
from core.storage.referrers import ReferrersService
from core.storage.signed_manifests import Schema1Support
from core.storage.signing_key import SigningKey
from core.storage.tag_service import TagService
from core.storage.write_once import creating_tags, deleting_manifest

__all__ = ["Repository"]


class Repository:
    """One name of the registry. It may name nothing yet.

    Attributes:
        name: of the repository.
        layers: its blobs.
        manifests: its manifests.
        tags: its tags.
        referrers: its manifests by subject.
        conversions: its images in other formats; None where nothing is converted.
    """

    def __init__(
        self,
        driver: StorageDriver,
        name: RepositoryName,
        *,
        missing_references: MissingReferences = "refuse",
        descriptors: DescriptorCache = NO_DESCRIPTORS,
        manifest_cache: ManifestCache | None = None,
        digesters: RecentDigesters | None = None,
        schema1: Schema1Support | None = None,
    ) -> None:
        self.name = name
        self.layers = LayerService(driver, name, descriptors, digesters)
        self.tags = TagService(driver, name)
        self.referrers = ReferrersService(driver, name)
        self.manifests = ManifestService(
            driver,
            name,
            self.layers,
            self.tags,
            self.referrers,
            missing_references=missing_references,
            cache=manifest_cache or ManifestCache(0),
            schema1=schema1 or Schema1Support(mode="refuse", key=SigningKey(driver)),
        )
        self.conversions = (
            Conversions(driver, name, self.manifests, self.layers, schema1.unpacking)
            if schema1 is not None and schema1.mode == "convert"
            else None
        )
        self._driver = driver

    def creating_tags(
        self, tags: Iterable[Tag], digest: Digest
    ) -> AbstractAsyncContextManager[None]:
        """Keep others from creating these tags while the block points them to `digest`.

        Raises:
            TagImmutable: one of them points elsewhere.
            DriverUnavailable: others did not let go of them, or the store did not answer.
        """
        return creating_tags(self._driver, self.name, tags, digest)

    def deleting_manifest(self, digest: Digest) -> AbstractAsyncContextManager[None]:
        """Keep others from creating such tags for a manifest inside the block, which may delete it.

        Raises:
            DriverUnavailable: others did not let go of it, or the store did not answer.
        """
        return deleting_manifest(self._driver, self.name, digest)

    async def list_tags(self, start_after: str = "") -> AsyncGenerator[Tag, None]:
        """Yield the tags greater than `start_after`, in byte order.

        Raises:
            NameUnknown: the repository has neither tags nor manifests nor blobs, and never had.
        """
        empty = True
        async for tag in self.tags.list(start_after):
            empty = False
            yield tag
        if empty and not await self._exists():
            raise NameUnknown(str(self.name))

    async def _exists(self) -> bool:
        for path in (paths.manifests(self.name), paths.layers(self.name)):
            try:
                await self._driver.stat(path)
            except PathNotFound:
                continue
            return True
        return False
