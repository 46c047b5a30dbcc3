"""Signatures over the SHA-256 of what is sent, found in a thread.

The store refuses content that is not what was signed, so a part that was damaged on its way, or in
a buffer, is never stored. The library would find the digest of ten mebibytes on the event loop,
and keep everything else waiting for it.
"""

import hashlib
from io import BytesIO
from typing import TYPE_CHECKING

from anyio import to_thread
from botocore.auth import AUTH_TYPE_MAPS, S3SigV4Auth
from botocore.awsrequest import AWSRequest

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

__all__ = ["sign_in_threads"]

_SIGNER = "s3v4-moorage"
_DIGEST = "moorage_payload_sha256"
_INLINE_BYTES = 64 * 1024
"""The digest of less takes less time than a thread's turn."""


class _DigestedAuth(S3SigV4Auth):
    """Signs the digest that is found already."""

    def payload(self, request: AWSRequest) -> str:
        digest = request.context.get(_DIGEST)
        return digest if isinstance(digest, str) else super().payload(request)


def sign_in_threads(client: "S3Client") -> None:
    """Make a client find the digests of large bodies in threads."""
    AUTH_TYPE_MAPS[_SIGNER] = _DigestedAuth
    events = client.meta.events
    for operation in ("PutObject", "UploadPart"):
        # The types of the library know handlers without an answer only.
        events.register(f"choose-signer.s3.{operation}", _choose)  # type: ignore[arg-type]
        events.register(f"before-sign.s3.{operation}", _digest)  # type: ignore[arg-type]


def _choose(signature_version: str, **_: object) -> str | None:
    return _SIGNER if signature_version == "s3v4" else None


async def _digest(request: AWSRequest, **_: object) -> None:
    body = request.data
    # What is tried again has its digest from the first time.
    if _DIGEST in request.context or not isinstance(body, BytesIO):
        return
    with body.getbuffer() as content:
        if content.nbytes > _INLINE_BYTES:
            request.context[_DIGEST] = await to_thread.run_sync(_sha256, content)


def _sha256(content: memoryview) -> str:
    return hashlib.sha256(content).hexdigest()
