"""`Conversions`: images of one repository in formats that they were not pushed in.

What a conversion comes to is kept in the repository as if it had been pushed, so that its blobs,
and the manifest by its own digest, can be asked for.
"""

from collections.abc import Iterable, Sequence

from anyio import Lock, to_thread
from pydantic import ValidationError

from core.digest import Digest
from core.drivers import Change, StorageDriver
from core.errors import ManifestInvalid, ManifestUnknown
from core.manifest import (
    DOCKER_MANIFEST_V1,
    DockerManifest,
    DockerManifestList,
    ImageIndex,
    ImageManifest,
    Manifest,
    SignedImage,
    parse_manifest,
)
from core.manifest.schema1 import (
    EMPTY_LAYER,
    EMPTY_LAYER_DIGEST,
    SCHEMA1_MEDIA_TYPES,
    ImageFormat,
    ImagePlan,
    UnpackedLayer,
    make_payload,
    plan_image,
)
from core.storage import paths
from core.storage.blob_store import BlobStore
from core.storage.layer import Layer
from core.storage.layer_service import LayerService
from core.storage.links import find_link, link
from core.storage.manifest_cache import StoredManifest
from core.storage.manifest_service import ManifestService
from core.storage.names import RepositoryName, Tag
from core.storage.unpacking import unpack

__all__ = ["Conversions"]

_MAX_CONFIG_BYTES = 4 * 1024 * 1024
_PLATFORM = ("linux", "amd64")
"""What clients of schema 1 run on, which knows of no others."""

_CONFIG_TYPES = frozenset(
    {
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.oci.image.config.v1+json",
        # So docker 1.10 and 1.11 and some registries called it, and docker takes them for images.
        # https://github.com/distribution/distribution/issues/1621
        *("application/octet-stream", "application/json", "text/html"),
    }
)


class Conversions:
    """Images from and to schema 1. Both directions give the same bytes each time."""

    def __init__(
        self,
        driver: StorageDriver,
        name: RepositoryName,
        manifests: ManifestService,
        layers: LayerService,
        unpacking: Lock,
    ) -> None:
        """Convert what `name` has; whoever unpacks layers holds the lock `unpacking`."""
        self._driver = driver
        self._name = name
        self._manifests = manifests
        self._layers = layers
        self._unpacking = unpacking
        self._blobs = BlobStore(driver)

    async def to_schema1(self, manifest: StoredManifest, tag: Tag) -> StoredManifest:
        """Return an image of schema 2 or OCI as a signed one of schema 1, under its own digest.

        Of a list of images the one for Linux on amd64 is taken. A layer without files, which such
        images need, is put into the repository if it is missing.

        Raises:
            ManifestUnknown: it is a list with no such image.
            ManifestInvalid: it is no image, or one that schema 1 has no form for.
        """
        parsed = await self._find_image(manifest, tag)
        if isinstance(parsed, StoredManifest):
            return parsed
        document = parsed.document
        assert isinstance(document, ImageManifest | DockerManifest)
        if document.config.media_type not in _CONFIG_TYPES:
            raise ManifestInvalid("it is not the manifest of an image", field="config.mediaType")
        for place, one in enumerate(document.layers):
            if one.media_type.endswith("+zstd"):
                raise ManifestInvalid(
                    "schema 1 has no layers in zstd", field=f"layers[{place}].mediaType"
                )
        config = await self._read_config(document.config.digest)
        layers = [layer.digest for layer in document.layers]

        def make() -> bytes:
            return make_payload(config, layers, name=str(self._name), tag=tag.value)

        payload = await to_thread.run_sync(make)
        digest = Digest.of(payload)
        await self._keep_schema1(digest, payload)
        stored = StoredManifest(payload=payload, media_type=DOCKER_MANIFEST_V1, digest=digest)
        return await self._manifests.join_signatures(stored)

    async def to_image(self, manifest: StoredManifest, image_format: ImageFormat) -> StoredManifest:
        """Return a signed image of schema 1 as one of schema 2 or OCI, under its own digest.

        The first time its layers are read and unpacked, which takes as long as it takes.

        Raises:
            ManifestInvalid: it cannot be converted: its history is no chain, or a layer is missing
                or damaged.
        """
        link_path = paths.converted_link(self._name, manifest.digest, image_format)
        found = await self._find_converted(link_path)
        if found is not None:
            return found
        async with self._unpacking:
            found = await self._find_converted(link_path)
            if found is not None:
                return found
            plan = await to_thread.run_sync(_plan, manifest.payload)
            layers, changes = await self._unpack(plan.layers)
            config = plan.config(layers)
            payload = plan.manifest(config, layers, image_format)
            digest, config_digest = Digest.of(payload), Digest.of(config)
            changes += (
                self._blobs.putting(config_digest, config),
                link(paths.layer_link(self._name, config_digest), config_digest),
                self._blobs.putting(digest, payload),
                link(paths.revision_link(self._name, digest), digest),
                link(link_path, digest),
            )
            await self._driver.apply(changes)
        return await self._manifests.get(digest)

    async def _find_image(self, manifest: StoredManifest, tag: Tag) -> Manifest | StoredManifest:
        """Return the image that there is one for the platform of, or that it is itself."""
        parsed = await to_thread.run_sync(_parse, manifest)
        if isinstance(parsed.document, ImageIndex | DockerManifestList):
            unknown = ManifestUnknown(name=str(self._name), reference=str(tag))
            for child in parsed.document.manifests:
                platform = child.platform
                if platform and (platform.os, platform.architecture) == _PLATFORM:
                    found = await self._manifests.get(child.digest)
                    if found.media_type in SCHEMA1_MEDIA_TYPES:
                        return found
                    parsed = await to_thread.run_sync(_parse, found)
                    break
            else:
                raise unknown
        if not isinstance(parsed.document, ImageManifest | DockerManifest):
            raise ManifestInvalid("it is not the manifest of an image", field="mediaType")
        return parsed

    async def _read_config(self, digest: Digest) -> bytes:
        layer = await self._layers.find(digest)
        if layer is None:
            raise ManifestInvalid("the configuration is missing", field="config")
        if layer.size > _MAX_CONFIG_BYTES:
            raise ManifestInvalid("the configuration is too large to be converted", field="config")
        config = await self._blobs.find(layer.identity)
        if config is None:
            raise ManifestInvalid("the configuration is missing or damaged", field="config")
        return config

    async def _keep_schema1(self, digest: Digest, payload: bytes) -> None:
        changes: list[Change] = []
        named = str(EMPTY_LAYER_DIGEST).encode() in payload
        if named and not await self._layers.exists(EMPTY_LAYER_DIGEST):
            changes += (
                self._blobs.putting(EMPTY_LAYER_DIGEST, EMPTY_LAYER),
                link(paths.layer_link(self._name, EMPTY_LAYER_DIGEST), EMPTY_LAYER_DIGEST),
            )
        path = paths.revision_link(self._name, digest)
        if await find_link(self._driver, path, digest) is None:
            changes += (self._blobs.putting(digest, payload), link(path, digest))
        if changes:
            await self._driver.apply(changes)

    async def _find_converted(self, link_path: str) -> StoredManifest | None:
        digest = await find_link(self._driver, link_path)
        if digest is None:
            return None
        try:
            return await self._manifests.get(digest)
        except ManifestUnknown:
            # Somebody has deleted it since.
            return None

    async def _unpack(
        self, digests: Iterable[Digest]
    ) -> tuple[Sequence[UnpackedLayer], list[Change]]:
        known: dict[Digest, UnpackedLayer] = {}
        found: list[UnpackedLayer] = []
        changes: list[Change] = []
        for place, digest in enumerate(digests):
            if digest not in known:
                layer = await self._layers.find(digest)
                if layer is None:
                    raise ManifestInvalid(f"layer {digest} is missing", field=f"layers[{place}]")
                unpacked = await unpack(layer)
                known[digest] = unpacked
                changes += await self._naming(layer, unpacked)
            found.append(known[digest])
        return found, changes

    async def _naming(self, layer: Layer, unpacked: UnpackedLayer) -> Sequence[Change]:
        """Give a layer that is named by its archive a name by its bytes, which images need."""
        if layer.digest == unpacked.digest:
            return ()
        if (
            layer.identity != unpacked.digest
            and await self._blobs.find_size(unpacked.digest) is None
        ):
            source = paths.blob_data(layer.identity)
            await self._driver.copy(source, paths.blob_data(unpacked.digest))
        return (link(paths.layer_link(self._name, unpacked.digest), unpacked.digest),)


def _plan(payload: bytes) -> ImagePlan:
    try:
        document = SignedImage.model_validate_json(payload)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise ManifestInvalid(f"what is stored is not an image of schema 1: {reason}") from None
    return plan_image(document)


def _parse(manifest: StoredManifest) -> Manifest:
    return parse_manifest(manifest.payload, manifest.media_type, manifest.digest)
