"""Examples: one image that all of them speak of, and an error of each kind."""

from collections.abc import Mapping

from api.errors import BodyOverdue, PreconditionFailed, RangeNotSatisfiable, TooManyTags
from core.errors import (
    AccessDenied,
    AccessUnavailable,
    AuthenticationRequired,
    BlobTooLarge,
    BlobUnknown,
    DigestMismatch,
    DriverUnavailable,
    LoginRefused,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestTooLarge,
    ManifestUnknown,
    ManifestUnverified,
    NameInvalid,
    NameUnknown,
    OperationUnsupported,
    PaginationInvalid,
    RangeInvalid,
    RegistryError,
    Schema1Refused,
    SizeInvalid,
    StorageFull,
    TagInvalid,
    TokenRequestInvalid,
    TooManyRequests,
    UploadBusy,
    UploadUnknown,
)
from core.manifest import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    DOCKER_MANIFEST_V1_SIGNED,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
)

__all__ = ["DIGEST", "MANIFESTS", "NAME", "UPLOAD_ID", "find_error"]

NAME = "team/app"
DIGEST = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
UPLOAD_ID = "7b7c61a5-2ab0-4f6c-a5c3-0b1f2a64f4b5"

_OTHER_DIGEST = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_CONFIG = {"digest": DIGEST, "size": 2}
_LAYER = {
    "digest": "sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865",
    "size": 28311,
}
_MANIFEST = {
    "digest": "sha256:b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
    "size": 405,
}
_PLATFORM = {"architecture": "amd64", "os": "linux"}

_SIGNATURE = {
    "header": {
        "jwk": {
            "crv": "P-256",
            "kid": "JT7L:EGG2:KXYO:YFN2:IDYW:O7NQ:6L2H:QACZ:R66O:3YHK:XGIA:4HBO",
            "kty": "EC",
            "x": "_mRRSSu9Nr61tSuc4-2AUQTT0PeiqCcZdbxWhpCQoy8",
            "y": "dWmyVxe12um2yPo6tJ21qRMxBc40JcPOaeBhvqb_eis",
        },
        "alg": "ES256",
    },
    "signature": (
        "Hu3TLKYXhmuqiBncg7E8CktU5QnEL1DpkTGCIyGaXhj4dgjsqYWfcAzO4LckYgcrPMbclO-i16copzBvV4vVwA"
    ),
    "protected": (
        "eyJmb3JtYXRMZW5ndGgiOjM3MCwiZm9ybWF0VGFpbCI6IkNuMCIsInRpbWUiOiIxOTcwLTAxLTAxVDAwOjAwOjAw"
        "WiJ9"
    ),
}

MANIFESTS: Mapping[str, Mapping[str, object]] = {
    OCI_MANIFEST: {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **_CONFIG},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **_LAYER}],
        "annotations": {"org.opencontainers.image.version": "1.0"},
    },
    OCI_INDEX: {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [{"mediaType": OCI_MANIFEST, **_MANIFEST, "platform": _PLATFORM}],
    },
    DOCKER_MANIFEST: {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", **_CONFIG},
        "layers": [
            {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", **_LAYER},
        ],
    },
    DOCKER_MANIFEST_LIST: {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST_LIST,
        "manifests": [{"mediaType": DOCKER_MANIFEST, **_MANIFEST, "platform": _PLATFORM}],
    },
    DOCKER_MANIFEST_V1_SIGNED: {
        "schemaVersion": 1,
        "name": NAME,
        "tag": "1.0",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": _LAYER["digest"]}],
        "history": [{"v1Compatibility": f'{{"id":"{"a" * 64}"}}'}],
        "signatures": [_SIGNATURE],
    },
    OCI_ARTIFACT: {
        "mediaType": OCI_ARTIFACT,
        "artifactType": "application/vnd.example.sbom.v1",
        "blobs": [{"mediaType": "application/spdx+json", **_LAYER}],
        "subject": {"mediaType": OCI_MANIFEST, **_MANIFEST},
    },
}
"""A manifest of each type that can be pushed."""

_EXAMPLES: tuple[RegistryError, ...] = (
    AccessDenied(f"user:ann may not push in {NAME}", repository=NAME),
    AccessUnavailable("not told to clients"),
    AuthenticationRequired(f"log in to push {NAME}", wanted=[f"repository:{NAME}:pull,push"]),
    BlobTooLarge(limit=10 * 1024**3),
    BlobUnknown(digest=DIGEST, name=NAME),
    BodyOverdue(60),
    DigestMismatch(expected=DIGEST, actual=_OTHER_DIGEST),
    DriverUnavailable("/", "not told to clients"),
    LoginRefused("the user, password or token is wrong, or has ended"),
    ManifestBlobUnknown(digest=DIGEST, field="layers[0]"),
    ManifestInvalid("Field required", field="layers[0].size"),
    ManifestTooLarge(limit=4 * 1024 * 1024),
    ManifestUnknown(name=NAME, reference="1.0"),
    ManifestUnverified("the manifest is not signed", field="signatures"),
    NameInvalid("Team/App", "a repository name is in lower case"),
    NameUnknown(NAME),
    OperationUnsupported("deleting is switched off: delete.enabled is false"),
    PaginationInvalid("n", "many", "not a whole number"),
    PreconditionFailed(f'"{_OTHER_DIGEST}"', etag=f'"{DIGEST}"'),
    RangeInvalid("the chunk does not start where the upload ends", offset=1024, given="0"),
    RangeNotSatisfiable("bytes=2-", size=2),
    Schema1Refused(expected=[OCI_MANIFEST, DOCKER_MANIFEST]),
    SizeInvalid(expected=1024, actual=1000),
    StorageFull("/"),
    TooManyRequests(retry_after_seconds=30),
    TagInvalid(".hidden", "a tag does not begin with a dot"),
    TokenRequestInvalid("invalid_scope", "a scope is of the form type:name:action,action"),
    TooManyTags(limit=100),
    UploadBusy(upload_id=UPLOAD_ID, name=NAME),
    UploadUnknown(upload_id=UPLOAD_ID, name=NAME),
)


def find_error(kind: type[RegistryError]) -> RegistryError:
    """Return an example of this class of errors."""
    return next(error for error in _EXAMPLES if isinstance(error, kind))
