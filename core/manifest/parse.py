"""From the bytes that were pushed to a `Manifest`, and to all that is wrong with them."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError
from pydantic_core import from_json

from core.digest import Digest
from core.errors import (
    DigestMismatch,
    ManifestInvalid,
    RegistryError,
    SizeInvalid,
)
from core.manifest.descriptor import Descriptor
from core.manifest.faults import MAX_FAULTS, raise_faults, to_fault
from core.manifest.media_types import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    DOCKER_MANIFEST_V1,
    DOCKER_MANIFEST_V1_SIGNED,
    MANIFEST_MEDIA_TYPES,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    is_non_distributable,
)
from core.manifest.models import (
    ArtifactManifest,
    DockerManifest,
    DockerManifestList,
    ImageIndex,
    ImageManifest,
    ManifestDocument,
)
from core.manifest.strict_json import MAX_DEPTH, check_volume, not_json

__all__ = [
    "MANIFEST_MODELS",
    "Manifest",
    "Reference",
    "detect_media_type",
    "parse_manifest",
]

MANIFEST_MODELS: Mapping[str, type[ManifestDocument]] = {
    OCI_MANIFEST: ImageManifest,
    OCI_INDEX: ImageIndex,
    DOCKER_MANIFEST: DockerManifest,
    DOCKER_MANIFEST_LIST: DockerManifestList,
    OCI_ARTIFACT: ArtifactManifest,
}
"""The types that can be pushed, and what documents of each are."""

_FOREIGN_MEMBERS: Mapping[type[ManifestDocument], tuple[str, ...]] = {
    ImageManifest: ("manifests",),
    DockerManifest: ("manifests",),
    ImageIndex: ("config", "layers"),
    DockerManifestList: ("config", "layers"),
}
"""Members that make one kind of document pass for another in a client that looks at them first
(CVE-2021-41190)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Something that a manifest needs its repository to have.

    Attributes:
        field: its place in the document, such as `layers[2]`.
        kind: whether it is kept among the blobs or among the manifests.
    """

    field: str
    kind: Literal["blob", "manifest"]
    descriptor: Descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest: the exact bytes that were pushed, and what they say.

    Attributes:
        payload: as pushed, served byte for byte.
        media_type: as pushed, without parameters.
        digest: of the payload.
        document: the payload, parsed.
    """

    payload: bytes
    media_type: str
    digest: Digest
    document: ManifestDocument

    def references(self) -> Iterator[Reference]:
        """Yield what must be in the repository for this manifest to be whole.

        Layers that are fetched from elsewhere, by their type and `urls`, are left out, and so is
        the subject, which need not exist.
        """
        document = self.document
        match document:
            case ImageManifest() | DockerManifest():
                yield Reference(field="config", kind="blob", descriptor=document.config)
                for place, layer in enumerate(document.layers):
                    if not (is_non_distributable(layer.media_type) and layer.urls):
                        yield Reference(field=f"layers[{place}]", kind="blob", descriptor=layer)
            case ImageIndex() | DockerManifestList():
                for place, child in enumerate(document.manifests):
                    yield Reference(field=f"manifests[{place}]", kind="manifest", descriptor=child)
            case ArtifactManifest():
                for place, blob in enumerate(document.blobs):
                    yield Reference(field=f"blobs[{place}]", kind="blob", descriptor=blob)

    @property
    def subject(self) -> Descriptor | None:
        """The manifest that this one says something about."""
        if isinstance(self.document, DockerManifest | DockerManifestList):
            return None
        return self.document.subject


def parse_manifest(
    payload: bytes, media_type: str | None, digest: Digest, *, max_depth: int = MAX_DEPTH
) -> Manifest:
    """Return the manifest that `payload` is, if nothing in it contradicts itself.

    Args:
        payload: the bytes pushed.
        media_type: what the client says they are, without parameters; None if it says nothing,
            and then the document's own `mediaType` counts.
        digest: of the payload; it is not computed again.
        max_depth: how deep objects and lists may be nested, the document itself included.

    Raises:
        ManifestInvalid: the payload is no JSON object, is nested too deep, or its type cannot be
            pushed.
        ManifestFaults: several members are wrong; a single fault is raised as itself: one of
            ManifestInvalid, DigestInvalid, DigestMismatch, SizeInvalid.
    """
    if media_type is None:
        media_type = detect_media_type(payload)
    model = MANIFEST_MODELS.get(media_type)
    if model is None:
        raise ManifestInvalid(
            f"manifests of type {media_type} cannot be pushed",
            field="mediaType",
            expected=MANIFEST_MEDIA_TYPES,
        )
    try:
        # The models let NaN and infinities pass in members that they do not know. These are no
        # JSON, and clients could not read the manifest again.
        check_volume(from_json(payload, allow_inf_nan=False), max_depth)
    except ValueError as error:
        raise not_json(str(error)) from None
    try:
        document = model.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False)[:MAX_FAULTS]
        raise_faults([to_fault(fault) for fault in first], error.error_count())
    faults = [*_foreign_members(document), *_descriptor_faults(document)]
    raise_faults(faults)
    return Manifest(payload=payload, media_type=media_type, digest=digest, document=document)


def detect_media_type(payload: bytes) -> str:
    """Return the media type that a stored manifest was pushed with, from what it says itself.

    Raises:
        ManifestInvalid: the payload is no JSON object.
    """
    try:
        document = from_json(payload)
    except ValueError as error:
        raise not_json(str(error)) from None
    if not isinstance(document, dict):
        raise ManifestInvalid("the manifest is not a JSON object")
    media_type = document.get("mediaType")
    if isinstance(media_type, str) and media_type:
        return media_type
    if document.get("schemaVersion") == 1:
        return DOCKER_MANIFEST_V1_SIGNED if "signatures" in document else DOCKER_MANIFEST_V1
    return OCI_INDEX if isinstance(document.get("manifests"), list) else OCI_MANIFEST


def _foreign_members(document: ManifestDocument) -> Iterator[RegistryError]:
    members = document.model_extra or {}
    for name in _FOREIGN_MEMBERS.get(type(document), ()):
        if name in members:
            yield ManifestInvalid("this member belongs to another kind of manifest", field=name)


def _descriptor_faults(document: ManifestDocument) -> Iterator[RegistryError]:
    for field, descriptor in _descriptors(document):
        for place, url in enumerate(descriptor.urls or ()):
            if not url.startswith(("http://", "https://")) or "#" in url:
                yield ManifestInvalid(
                    "not an http or https URL without a fragment", field=f"{field}.urls[{place}]"
                )
        if descriptor.data is not None:
            yield from _data_faults(field, descriptor, descriptor.data)


def _data_faults(field: str, descriptor: Descriptor, data: str) -> Iterator[RegistryError]:
    field = f"{field}.data"
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        yield ManifestInvalid("not base64", field=field)
        return
    if len(content) != descriptor.size:
        yield SizeInvalid(expected=descriptor.size, actual=len(content), field=field)
        return
    actual = Digest.of(content, descriptor.digest.algorithm)
    if actual != descriptor.digest:
        yield DigestMismatch(expected=str(descriptor.digest), actual=str(actual), field=field)


def _descriptors(document: ManifestDocument) -> Iterator[tuple[str, Descriptor]]:
    if isinstance(document, ImageManifest | DockerManifest):
        yield "config", document.config
        lists = {"layers": document.layers}
    elif isinstance(document, ArtifactManifest):
        lists = {"blobs": document.blobs}
    else:
        lists = {"manifests": document.manifests}
    for name, descriptors in lists.items():
        for place, descriptor in enumerate(descriptors):
            yield f"{name}[{place}]", descriptor
    subject = getattr(document, "subject", None)
    if subject is not None:
        yield "subject", subject
