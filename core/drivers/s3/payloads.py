"""Digests by which the store knows that it got what was sent, found in threads.

The SHA-256 of the content is a part of the signature: AWS, MinIO and Ceph refuse content that is
not what was signed. Some stores only believe it; every store checks a Content-MD5, which takes
more than twice the time to find. The library would find either on the event loop, and keep
everything else waiting.
"""

import base64
import hashlib
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

from anyio import to_thread
from botocore.auth import AUTH_TYPE_MAPS, S3SigV4Auth
from botocore.awsrequest import AWSRequest

from core.drivers.s3.options import PayloadCheck
from core.drivers.s3.part_body import PartBody

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

__all__ = ["check_payloads"]

_SIGNER = "s3v4-moorage"
_DIGEST = "moorage_payload_digest"
_OPERATIONS = ("PutObject", "UploadPart")
_INLINE_BYTES = 64 * 1024
"""The digest of less takes less time than a thread's turn."""


class _DigestedAuth(S3SigV4Auth):
    """Signs the digest that is found already."""

    def payload(self, request: AWSRequest) -> str:
        digest = request.context.get(_DIGEST)
        return digest.hex() if isinstance(digest, bytes) else super().payload(request)


def check_payloads(client: "S3Client", check: PayloadCheck) -> None:
    """Make a client send a digest with every object and part."""
    events = client.meta.events
    # The types of the library know handlers without an answer only.
    for operation in _OPERATIONS:
        if check == "sha256":
            AUTH_TYPE_MAPS[_SIGNER] = _DigestedAuth
            events.register(f"choose-signer.s3.{operation}", _choose)  # type: ignore[arg-type]
            events.register(f"before-sign.s3.{operation}", _find_sha256)  # type: ignore[arg-type]
        elif check == "md5":
            events.register(f"before-sign.s3.{operation}", _add_md5)  # type: ignore[arg-type]


def _choose(signature_version: str, **_: object) -> str | None:
    return _SIGNER if signature_version == "s3v4" else None


async def _find_sha256(request: AWSRequest, **_: object) -> None:
    await _find(request, _sha256)


async def _add_md5(request: AWSRequest, **_: object) -> None:
    digest = await _find(request, _md5)
    if "Content-MD5" not in request.headers:
        request.headers["Content-MD5"] = base64.b64encode(digest).decode("ascii")


async def _find(request: AWSRequest, function: Callable[[PartBody], bytes]) -> bytes:
    # What is tried again has its digest from the first time.
    known = request.context.get(_DIGEST)
    if isinstance(known, bytes):
        return known
    body = request.data
    if isinstance(body, PartBody):
        content = body
    else:
        # Of small content the library has made a file.
        content = PartBody(body.getvalue() if isinstance(body, BytesIO) else bytes(body or b""))
    if len(content) > _INLINE_BYTES:
        digest = await to_thread.run_sync(function, content)
    else:
        digest = function(content)
    request.context[_DIGEST] = digest
    return digest


def _sha256(content: PartBody) -> bytes:
    return _digest(hashlib.sha256(), content)


def _md5(content: PartBody) -> bytes:
    return _digest(hashlib.md5(usedforsecurity=False), content)


def _digest(running: "hashlib._Hash", content: PartBody) -> bytes:
    for block in content.blocks():
        running.update(block)
    return running.digest()
