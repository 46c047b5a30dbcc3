"""`SignedManifest`: an image of schema version 1, and all that can be told against it.

Unlike the parser of other manifests, this one does not stop at what is wrong: a push is answered
with every fault, those of the signatures beside those of the document and of its layers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from core.digest import SHA256, Digest
from core.errors import (
    DigestMismatch,
    ManifestInvalid,
    ManifestUnverified,
    NameInvalid,
    RegistryError,
    TagInvalid,
)
from core.manifest.faults import MAX_FAULTS, to_fault
from core.manifest.media_types import DOCKER_MANIFEST_V1, DOCKER_MANIFEST_V1_SIGNED
from core.manifest.models import SignedImage
from core.manifest.parse import detect_media_type
from core.manifest.schema1.signatures import Signature
from core.manifest.schema1.signed_json import MAX_INDENT, find_indent, shown_faults, split
from core.manifest.strict_json import parse_strictly

__all__ = [
    "SCHEMA1_MEDIA_TYPES",
    "VAGUE_MEDIA_TYPES",
    "SignedManifest",
    "is_signed_image",
    "read_signed_manifest",
]

SCHEMA1_MEDIA_TYPES = frozenset({DOCKER_MANIFEST_V1, DOCKER_MANIFEST_V1_SIGNED})
"""The types of such manifests. Which of them a client names makes no difference."""

_MAX_TOLD = 256
"""Characters of a wrong name or tag that an error tells."""

VAGUE_MEDIA_TYPES = frozenset({None, "application/json"})
"""What is sent as one of these has to be looked at: clients of that time called it plain JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedManifest:
    """A manifest of schema version 1 as it was pushed, with what is wrong with it.

    Attributes:
        payload: the bytes that are signed.
        digest: of the payload.
        document: the payload, parsed; None if it is not such a document.
        signatures: the good ones; all of them, if there are no faults.
        faults: everything that the bytes alone can tell.
    """

    payload: bytes
    digest: Digest
    document: SignedImage | None
    signatures: tuple[Signature, ...]
    faults: tuple[RegistryError, ...]

    media_type = DOCKER_MANIFEST_V1_SIGNED
    subject = None

    def blob_sums(self) -> Iterator[tuple[str, Digest]]:
        """Yield the place and the digest of each layer, the newest first, each digest once."""
        seen: set[Digest] = set()
        for place, layer in enumerate(self.document.fs_layers if self.document else ()):
            if layer.blob_sum not in seen:
                seen.add(layer.blob_sum)
                yield f"fsLayers[{place}].blobSum", layer.blob_sum


def is_signed_image(content: bytes, media_type: str | None) -> bool:
    """Say whether a pushed manifest is to be read as one of schema version 1.

    Raises:
        ManifestInvalid: its type was not told, and it is no JSON object.
    """
    if media_type in SCHEMA1_MEDIA_TYPES:
        return True
    if media_type not in VAGUE_MEDIA_TYPES:
        return False
    return detect_media_type(content) in SCHEMA1_MEDIA_TYPES


def read_signed_manifest(
    content: bytes, *, name: str, tag: str | None, digest: Digest | None = None
) -> SignedManifest:
    """Return the manifest that `content` is, all of its signatures verified.

    Args:
        content: the bytes pushed.
        name: of the repository that it was pushed to, which it must have as its own.
        tag: that it was pushed to, which it must have as its own; None if by digest.
        digest: that its payload must have.

    Raises:
        ManifestInvalid: it is no JSON object, or has a member twice. What else is wrong is among
            the `faults` of what is returned.
    """
    faults: list[RegistryError] = []
    signatures: tuple[Signature, ...] = ()
    payload = shown = content
    try:
        signed = split(content)
    except ManifestUnverified as error:
        faults.append(error)
    else:
        payload, signatures = signed.payload, signed.signatures
        unsigned = list(shown_faults(content, signed))
        faults += [*signed.faults(), *unsigned]
        # Of a document that was changed since it was signed, what it shows is looked through.
        shown = content if unsigned else payload
    actual = Digest.of(payload, SHA256 if digest is None else digest.algorithm)
    if digest is not None and actual != digest:
        faults.append(DigestMismatch(expected=str(digest), actual=str(actual)))
    document, found = _read_document(shown)
    faults += found
    if document is not None:
        faults += _faults_of(document, name, tag)
        if len(find_indent(payload)) > MAX_INDENT:
            faults.append(ManifestInvalid(f"it is indented by more than {MAX_INDENT} characters"))
    return SignedManifest(
        payload=payload,
        digest=actual,
        document=document,
        signatures=signatures,
        faults=tuple(faults),
    )


def _read_document(payload: bytes) -> tuple[SignedImage | None, list[RegistryError]]:
    try:
        parse_strictly(payload)
        return SignedImage.model_validate_json(payload), []
    except ManifestInvalid as error:
        return None, [error]
    except ValidationError as error:
        return None, [to_fault(one) for one in error.errors(include_url=False)[:MAX_FAULTS]]


def _faults_of(document: SignedImage, name: str, tag: str | None) -> Iterator[RegistryError]:
    if document.name != name:
        told = document.name[:_MAX_TOLD]
        yield NameInvalid(told, f"the manifest is pushed to {name}, and names another")
    if tag is not None and document.tag != tag:
        told = document.tag[:_MAX_TOLD]
        yield TagInvalid(told, f"the manifest is pushed to {tag}, and names another")
    layers, items = len(document.fs_layers), len(document.history)
    if layers != items:
        yield ManifestInvalid(
            f"there are {layers} layers, and {items} items of history", field="history"
        )
    if not layers:
        yield ManifestInvalid("there are no layers", field="fsLayers")
