"""The headers of answers, each described once and referred to by its key."""

from dataclasses import dataclass

from api.contract.examples import DIGEST, NAME, UPLOAD_ID
from api.dependencies import DIGEST_PATTERN

__all__ = [
    "ACCEPT_RANGES",
    "ALLOW",
    "API_VERSION",
    "BLOB_LOCATION",
    "CACHE_CONTROL",
    "CONTENT_LENGTH",
    "CONTENT_RANGE",
    "DIGEST_OF_CONTENT",
    "ETAG",
    "FIELDS",
    "FILTERS_APPLIED",
    "MANIFEST_LOCATION",
    "NEXT_PAGE",
    "RECEIVED",
    "REQUEST_ID",
    "RETRY_AFTER",
    "STORE_LOCATION",
    "SUBJECT",
    "TAGS",
    "TOKEN_CACHE_CONTROL",
    "UNSATISFIED_RANGE",
    "UPLOAD_LOCATION",
    "UPLOAD_UUID",
    "VARY",
    "WWW_AUTHENTICATE",
    "HeaderField",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderField:
    """A header of an answer.

    Attributes:
        name: on the wire.
        key: among the components of the contract; a name may have several meanings.
        pattern: of its value; None is any text.
        always: whether every answer that declares the header has it.
    """

    name: str
    key: str
    description: str
    example: str | int
    pattern: str | None = None
    always: bool = True

    def describe(self) -> dict[str, object]:
        """Return the OpenAPI header object."""
        kind = "integer" if isinstance(self.example, int) else "string"
        schema: dict[str, object] = {"type": kind}
        if self.pattern is not None:
            schema["pattern"] = self.pattern
        return {
            "description": self.description,
            "required": self.always,
            "schema": schema,
            "example": self.example,
        }


_DIGEST = f"^{DIGEST_PATTERN}$"

API_VERSION = HeaderField(
    name="Docker-Distribution-Api-Version",
    key="ApiVersion",
    description="The protocol that is spoken here.",
    example="registry/2.0",
    pattern="^registry/2\\.0$",
)
REQUEST_ID = HeaderField(
    name="X-Request-Id",
    key="RequestId",
    description="What the log calls this request: the request's own X-Request-Id, or a new one.",
    example="0199f3a4c1d27b1e8f5d6a7b8c9d0e1f",
    always=False,
)
ACCEPT_RANGES = HeaderField(
    name="Accept-Ranges",
    key="AcceptRanges",
    description="Parts of a blob can be pulled, by bytes.",
    example="bytes",
    pattern="^bytes$",
)
CACHE_CONTROL = HeaderField(
    name="Cache-Control",
    key="CacheControl",
    description="What a digest names never changes.",
    example="max-age=31536000",
)
CONTENT_LENGTH = HeaderField(
    name="Content-Length",
    key="ContentLength",
    description="Bytes of what GET would answer.",
    example=2,
)
CONTENT_RANGE = HeaderField(
    name="Content-Range",
    key="ContentRange",
    description="Which bytes of the blob these are, and how many it has.",
    example="bytes 0-1/2",
    pattern="^bytes [0-9]+-[0-9]+/[0-9]+$",
)
UNSATISFIED_RANGE = HeaderField(
    name="Content-Range",
    key="UnsatisfiedRange",
    description="How many bytes the blob has.",
    example="bytes */2",
    pattern="^bytes \\*/[0-9]+$",
)
DIGEST_OF_CONTENT = HeaderField(
    name="Docker-Content-Digest",
    key="DigestOfContent",
    description="Digest of the content.",
    example=DIGEST,
    pattern=_DIGEST,
)
ETAG = HeaderField(
    name="ETag",
    key="ETag",
    description="The digest in quotes, for conditional requests.",
    example=f'"{DIGEST}"',
    pattern=f'^"{DIGEST_PATTERN}"$',
)
VARY = HeaderField(
    name="Vary",
    key="Vary",
    description="Says that the answer depends on `Accept`, where images are converted.",
    example="Accept",
    always=False,
)
BLOB_LOCATION = HeaderField(
    name="Location",
    key="BlobLocation",
    description="Where the blob can be pulled from; relative to the registry.",
    example=f"/v2/{NAME}/blobs/{DIGEST}",
    pattern="^/v2/.+/blobs/[^/]+$",
)
STORE_LOCATION = HeaderField(
    name="Location",
    key="StoreLocation",
    description="Where the storage itself gives the content, signed and good for some minutes.",
    example="https://storage.example.com/registry/data?X-Amz-Signature=0123456789abcdef",
    pattern="^https?://",
)
MANIFEST_LOCATION = HeaderField(
    name="Location",
    key="ManifestLocation",
    description="Where the manifest can be pulled from, by digest; relative to the registry.",
    example=f"/v2/{NAME}/manifests/{DIGEST}",
    pattern="^/v2/.+/manifests/[^/]+$",
)
UPLOAD_LOCATION = HeaderField(
    name="Location",
    key="UploadLocation",
    description="Where the next request of this upload goes, as it is; relative to the registry.",
    example=f"/v2/{NAME}/blobs/uploads/{UPLOAD_ID}?offset=1024",
    pattern="^/v2/.+/blobs/uploads/.+$",
)
UPLOAD_UUID = HeaderField(
    name="Docker-Upload-UUID",
    key="UploadUuid",
    description="Id of the upload.",
    example=UPLOAD_ID,
)
RECEIVED = HeaderField(
    name="Range",
    key="Received",
    description="Bytes that have come, inclusive; `0-0` also before anything has.",
    example="0-1023",
    pattern="^0-[0-9]+$",
)
NEXT_PAGE = HeaderField(
    name="Link",
    key="NextPage",
    description="The next page, if there is one; relative to the registry.",
    example=f'</v2/{NAME}/tags/list?n=100&last=1.0>; rel="next"',
    pattern='^<.+>; rel="next"$',
    always=False,
)
FILTERS_APPLIED = HeaderField(
    name="OCI-Filters-Applied",
    key="FiltersApplied",
    description="Present if the list was filtered.",
    example="artifactType",
    always=False,
)
SUBJECT = HeaderField(
    name="OCI-Subject",
    key="Subject",
    description="Digest of the subject, if the manifest has one: it is listed as a referrer.",
    example=DIGEST,
    pattern=_DIGEST,
    always=False,
)
TAGS = HeaderField(
    name="OCI-Tag",
    key="Tags",
    description="The tags set by `tag` parameters, if there were any.",
    example="1.0, latest",
    always=False,
)
ALLOW = HeaderField(
    name="Allow",
    key="Allow",
    description="The methods that the endpoint has.",
    example="GET, HEAD",
)

RETRY_AFTER = HeaderField(
    name="Retry-After",
    key="RetryAfter",
    description="Seconds after which to try again.",
    example=5,
)

WWW_AUTHENTICATE = HeaderField(
    name="WWW-Authenticate",
    key="WwwAuthenticate",
    description="How to prove who one is: by a password (`Basic`), or by a token (`Bearer`) that "
    "the `realm` gives for this `service` and `scope`.",
    example='Bearer realm="https://registry.example/token",service="registry.example",'
    'scope="repository:team/app:pull"',
    pattern="^(Basic|Bearer) realm=",
)

TOKEN_CACHE_CONTROL = HeaderField(
    name="Cache-Control",
    key="TokenCacheControl",
    description="A token is kept by nobody but the client; keys are good for some minutes.",
    example="no-store",
    pattern="^(no-store|max-age=[0-9]+)$",
)

FIELDS = (
    ACCEPT_RANGES,
    ALLOW,
    API_VERSION,
    BLOB_LOCATION,
    CACHE_CONTROL,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    DIGEST_OF_CONTENT,
    ETAG,
    FILTERS_APPLIED,
    MANIFEST_LOCATION,
    NEXT_PAGE,
    RECEIVED,
    REQUEST_ID,
    RETRY_AFTER,
    STORE_LOCATION,
    SUBJECT,
    TAGS,
    TOKEN_CACHE_CONTROL,
    UNSATISFIED_RANGE,
    UPLOAD_LOCATION,
    UPLOAD_UUID,
    VARY,
    WWW_AUTHENTICATE,
)
"""All of them."""
