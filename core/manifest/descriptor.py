"""`Descriptor`: how a manifest points at content."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from core.digest import Digest
from core.errors import DigestUnsupported

__all__ = ["Descriptor", "DigestField", "Document", "MediaType", "Platform"]


def _to_digest(value: object) -> Digest:
    if isinstance(value, Digest):
        return value
    if not isinstance(value, str):
        raise ValueError("a digest is a string")  # noqa: TRY004 - pydantic collects ValueErrors
    return Digest.parse(value)


def _check_names_bytes(digest: Digest) -> Digest:
    if not digest.algorithm.names_bytes:
        raise DigestUnsupported(str(digest), "a tarsum is for manifests of schema version 1")
    return digest


DigestField = Annotated[
    Digest,
    PlainValidator(_to_digest),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$",
            "examples": ["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"],
        }
    ),
]
"""A digest in a document; one that does not parse is a fault of its field."""

MediaType = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$",
        examples=["application/vnd.oci.image.layer.v1.tar+gzip"],
    ),
]
"""A media type without parameters. Spec: RFC 6838, section 4.2."""


class Document(BaseModel):
    """A JSON object of a specification. Members that it does not know are kept."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        strict=True,
        serialize_by_alias=True,
    )


class Platform(Document):
    """What an image runs on. Spec: OCI image-spec, "Image Index Property Descriptions"."""

    architecture: str | None = None
    os: str | None = None
    os_version: str | None = Field(default=None, alias="os.version")
    os_features: list[str] | None = Field(default=None, alias="os.features")
    variant: str | None = None


class Descriptor(Document):
    """A typed pointer to content. Spec: OCI image-spec, "OCI Content Descriptors"."""

    media_type: MediaType = Field(alias="mediaType")
    digest: Annotated[DigestField, AfterValidator(_check_names_bytes)]
    size: int = Field(ge=0, lt=2**63, description="Bytes of the content.")
    urls: list[str] | None = None
    annotations: dict[str, str] | None = None
    data: str | None = Field(default=None, description="The content itself, in base64.")
    artifact_type: MediaType | None = Field(default=None, alias="artifactType")
    platform: Platform | None = None
