"""The manifests that can be pushed, as their specifications have them."""

from typing import Literal

from pydantic import Field

from core.manifest.descriptor import Descriptor, DigestField, Document, MediaType

__all__ = [
    "ArtifactManifest",
    "DockerManifest",
    "DockerManifestList",
    "ImageIndex",
    "ImageManifest",
    "ManifestDocument",
    "SignedImage",
]


class ImageManifest(Document):
    """An OCI image, or an artifact in an image's form. Spec: OCI image-spec, "Image Manifest"."""

    schema_version: Literal[2] = Field(alias="schemaVersion")
    media_type: Literal["application/vnd.oci.image.manifest.v1+json"] | None = Field(
        default=None, alias="mediaType"
    )
    artifact_type: MediaType | None = Field(default=None, alias="artifactType")
    config: Descriptor
    layers: list[Descriptor]
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class ImageIndex(Document):
    """An OCI index. Spec: OCI image-spec, "Image Index"."""

    schema_version: Literal[2] = Field(alias="schemaVersion")
    media_type: Literal["application/vnd.oci.image.index.v1+json"] | None = Field(
        default=None, alias="mediaType"
    )
    artifact_type: MediaType | None = Field(default=None, alias="artifactType")
    manifests: list[Descriptor]
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class ArtifactManifest(Document):
    """The artifact manifest of the OCI 1.1 release candidates, which some clients still push."""

    media_type: Literal["application/vnd.oci.artifact.manifest.v1+json"] = Field(alias="mediaType")
    artifact_type: MediaType = Field(alias="artifactType")
    blobs: list[Descriptor] = Field(default_factory=list)
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class DockerManifest(Document):
    """A Docker image. Spec: Docker, "Image Manifest Version 2, Schema 2"."""

    schema_version: Literal[2] = Field(alias="schemaVersion")
    media_type: Literal["application/vnd.docker.distribution.manifest.v2+json"] = Field(
        alias="mediaType"
    )
    config: Descriptor
    layers: list[Descriptor]


class DockerManifestList(Document):
    """A Docker multi-platform image. Spec: Docker, "Manifest List"."""

    schema_version: Literal[2] = Field(alias="schemaVersion")
    media_type: Literal["application/vnd.docker.distribution.manifest.list.v2+json"] = Field(
        alias="mediaType"
    )
    manifests: list[Descriptor]


class SchemaOneLayer(Document):
    """A layer of a signed image."""

    blob_sum: DigestField = Field(alias="blobSum")


class SchemaOneHistory(Document):
    """What a layer of a signed image is: the image that it was when it was the newest, as text."""

    v1_compatibility: str = Field(alias="v1Compatibility")


class SignedImage(Document):
    """A Docker image of schema version 1, the newest layer first.

    Spec: Docker, "Image Manifest Version 2, Schema 1".
    """

    schema_version: Literal[1] = Field(alias="schemaVersion")
    name: str
    tag: str
    architecture: str = ""
    fs_layers: list[SchemaOneLayer] = Field(alias="fsLayers")
    history: list[SchemaOneHistory]


ManifestDocument = (
    ImageManifest | ImageIndex | DockerManifest | DockerManifestList | ArtifactManifest
)
