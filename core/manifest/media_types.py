"""The media types that decide how a document or a layer is treated."""

from typing import Final

__all__ = [
    "DOCKER_FOREIGN_LAYER",
    "DOCKER_MANIFEST",
    "DOCKER_MANIFEST_LIST",
    "DOCKER_MANIFEST_V1",
    "DOCKER_MANIFEST_V1_SIGNED",
    "MANIFEST_MEDIA_TYPES",
    "OCI_ARTIFACT",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "is_non_distributable",
]

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT: Final = "application/vnd.oci.artifact.manifest.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_MANIFEST_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST_V1: Final = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_MANIFEST_V1_SIGNED: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"

MANIFEST_MEDIA_TYPES = (
    OCI_MANIFEST,
    OCI_INDEX,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_ARTIFACT,
)
"""The types that can be pushed, whatever the settings say."""

DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
_OCI_NON_DISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar"


def is_non_distributable(media_type: str) -> bool:
    """Say whether a layer of this type is fetched from its `urls` and need not be stored.

    Spec: OCI image-spec, "Non-Distributable Layers"; Docker schema 2, "foreign" layers.
    """
    return media_type == DOCKER_FOREIGN_LAYER or media_type.startswith(_OCI_NON_DISTRIBUTABLE)
