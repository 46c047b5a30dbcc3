"""Where a bucket is: what the library's rules for endpoints make of the settings, found once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

if TYPE_CHECKING:
    # The types of the library are a package for development only.
    from types_aiobotocore_s3 import S3Client

__all__ = ["Place", "find_place"]

_KEY = "key"
_SAFE = "/-._~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The address of a bucket.

    Attributes:
        scheme: `https`, or `http`.
        host: with its port if that is not the scheme's own.
        root: what paths begin with: the bucket, or nothing if that is in the host's name.
        region: for signatures.
    """

    scheme: str
    host: str
    root: str
    region: str

    def path(self, key: str) -> str:
        """Return the encoded path of an object, or of the bucket if `key` is empty."""
        return f"{self.root}/{quote(key, safe=_SAFE)}"


async def find_place(client: "S3Client", bucket: str) -> Place:
    """Return the address that the library would send to, which it tells in a signed URL."""
    url = urlsplit(
        await client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": _KEY})
    )
    credential = parse_qs(url.query)["X-Amz-Credential"][0]
    return Place(
        scheme=url.scheme,
        host=url.netloc,
        root=url.path.removesuffix(f"/{_KEY}"),
        # Of what an access key, a date, a region, "s3" and "aws4_request" are joined to.
        region=credential.split("/")[-3],
    )
