"""What a manifest says about another one, read leniently from bytes that are stored already."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from core.digest import Digest
from core.errors import DigestInvalid, ManifestInvalid
from core.manifest.descriptor import Descriptor
from core.manifest.media_types import OCI_ARTIFACT, OCI_INDEX, OCI_MANIFEST
from core.manifest.parse import detect_media_type

__all__ = ["Referrer", "find_referrer", "list_indexed"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrer:
    """A manifest that has a subject.

    Attributes:
        subject: the digest of the manifest it is about.
        descriptor: how it is listed among the referrers of its subject.
    """

    subject: Digest
    descriptor: Descriptor


def find_referrer(payload: bytes, digest: Digest) -> Referrer | None:
    """Return what the manifest `payload` of `digest` is a referrer of, or None if of nothing.

    Other registries check less than this one, so members that are not of their type count as
    missing.

    Spec: distribution-spec 1.1, "Listing Referrers" (end-12a): the descriptor has the manifest's
    annotations, and its artifact type or, of an image without one, its config's media type.
    """
    try:
        media_type = detect_media_type(payload)
    except ManifestInvalid:
        return None
    if media_type not in (OCI_MANIFEST, OCI_INDEX, OCI_ARTIFACT):
        return None
    document = from_json(payload)
    subject = _member(document, "subject", dict)
    text = _member(subject or {}, "digest", str)
    if text is None:
        return None
    try:
        subject_digest = Digest.parse(text)
    except DigestInvalid:
        return None
    artifact_type = _member(document, "artifactType", str)
    if not artifact_type and media_type == OCI_MANIFEST:
        artifact_type = _member(_member(document, "config", dict) or {}, "mediaType", str)
    annotations = _member(document, "annotations", dict) or {}
    descriptor = Descriptor.model_construct(
        media_type=media_type,
        digest=digest,
        size=len(payload),
        annotations={k: v for k, v in annotations.items() if isinstance(v, str)} or None,
        artifact_type=artifact_type or None,
    )
    return Referrer(subject=subject_digest, descriptor=descriptor)


def list_indexed(payload: bytes) -> Iterator[Descriptor]:
    """Yield the descriptors of an index; what is none, or is no index, is passed over."""
    try:
        if detect_media_type(payload) != OCI_INDEX:
            return
    except ManifestInvalid:
        return
    for item in _member(from_json(payload), "manifests", list) or ():
        try:
            yield Descriptor.model_validate(item)
        except ValidationError:
            continue


def _member(document: dict[str, object], name: str, kind: type[T]) -> T | None:
    value = document.get(name)
    return value if isinstance(value, kind) else None
