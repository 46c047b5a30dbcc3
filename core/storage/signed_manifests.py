"""`SignedManifests`: what is different about the images of schema 1 of one repository.

What the store has as the manifest is the payload, whose digest is that of the manifest. What
clients send and get is the payload with its signatures inside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from anyio import Lock, to_thread

from core.digest import Digest
from core.drivers import Change, StorageDriver
from core.errors import ManifestBlobUnknown, RegistryError, Schema1Refused
from core.manifest import DOCKER_MANIFEST_V1_SIGNED, MANIFEST_MEDIA_TYPES
from core.manifest.faults import raise_faults
from core.manifest.schema1 import SignedManifest, join, read_signed_manifest
from core.storage.concurrency import map_concurrently
from core.storage.layer_service import LayerService
from core.storage.manifest_cache import StoredManifest
from core.storage.names import Reference, RepositoryName, Tag
from core.storage.signatures import SignatureStore
from core.storage.signing_key import SigningKey

__all__ = ["Schema1Mode", "Schema1Support", "SignedManifests"]

Schema1Mode = Literal["refuse", "accept", "convert"]

_INLINE_BYTES = 64 * 1024
"""Up to this size a payload is signed faster than a thread takes its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema1Support:
    """What the registry does about images of schema 1.

    Attributes:
        mode: whether they can be pushed, and whether others are converted from and to them.
        key: signs what has no signature.
        unpacking: held by whoever unpacks layers, of which there is one at a time: that keeps a
            processor busy, and what it comes to is kept.
    """

    mode: Schema1Mode
    key: SigningKey
    unpacking: Lock = field(default_factory=Lock)


class SignedManifests:
    """The images of schema 1 of one repository: read when pushed, joined when pulled."""

    def __init__(
        self,
        driver: StorageDriver,
        name: RepositoryName,
        layers: LayerService,
        support: Schema1Support,
    ) -> None:
        self._driver = driver
        self._name = name
        self._layers = layers
        self._support = support
        self._signatures = SignatureStore(driver, name)

    async def read(
        self, content: bytes, reference: Reference, *, sparse: bool = False
    ) -> SignedManifest:
        """Return the manifest that `content` is, verified, ready to be stored.

        Args:
            content: the bytes pushed.
            reference: by which they were pushed.
            sparse: whether layers may be missing.

        Raises:
            Schema1Refused: images of schema 1 are not taken here.
            ManifestFaults: several things are wrong; a single fault is raised as itself: one of
                ManifestInvalid, ManifestUnverified, NameInvalid, TagInvalid, DigestInvalid,
                DigestMismatch, ManifestBlobUnknown.
        """
        if self._support.mode == "refuse":
            raise Schema1Refused(expected=MANIFEST_MEDIA_TYPES)

        def parse() -> SignedManifest:
            if isinstance(reference, Tag):
                return read_signed_manifest(content, name=str(self._name), tag=reference.value)
            return read_signed_manifest(content, name=str(self._name), tag=None, digest=reference)

        manifest = await to_thread.run_sync(parse)
        missing = [] if sparse else await self._find_missing(manifest)
        raise_faults([*manifest.faults, *missing])
        return manifest

    async def adding(self, manifest: SignedManifest) -> Sequence[Change]:
        """Return the changes that store the signatures of a manifest."""
        return await self._signatures.adding(manifest.digest, manifest.signatures)

    async def join(self, manifest: StoredManifest) -> StoredManifest:
        """Return a manifest as clients get it, with the signatures that it was pushed with.

        Where there are none, it has one by the registry's own key, the same each time.

        Raises:
            ManifestInvalid: what is stored cannot be signed.
            DriverError: the registry's key is not to be had.
        """
        signatures = await self._signatures.find(manifest.digest, manifest.payload)
        if not signatures:
            return await self.sign(manifest)
        payload = join(manifest.payload, signatures)
        return replace(manifest, payload=payload, media_type=DOCKER_MANIFEST_V1_SIGNED)

    async def sign(self, manifest: StoredManifest) -> StoredManifest:
        """Return a manifest with the signature of the registry's own key, and no other.

        Raises:
            ManifestInvalid: what is stored cannot be signed.
            DriverError: the registry's key is not to be had.
        """
        key = await self._support.key.get()

        def sign() -> bytes:
            return join(manifest.payload, [key.sign(manifest.payload)])

        inline = len(manifest.payload) <= _INLINE_BYTES
        payload = sign() if inline else await to_thread.run_sync(sign)
        return replace(manifest, payload=payload, media_type=DOCKER_MANIFEST_V1_SIGNED)

    async def _find_missing(self, manifest: SignedManifest) -> list[RegistryError]:
        async def find(layer: tuple[str, Digest]) -> RegistryError | None:
            place, digest = layer
            if await self._layers.exists(digest):
                return None
            return ManifestBlobUnknown(digest=str(digest), field=place)

        found = await map_concurrently(
            find, manifest.blob_sums(), at_once=self._driver.questions_at_once
        )
        return [fault for fault in found if fault is not None]
