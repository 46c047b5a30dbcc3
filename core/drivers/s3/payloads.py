"""Digests by which the store knows that it got what was sent.

The SHA-256 of the content is a part of the signature: AWS, MinIO and Ceph refuse content that is
not what was signed. Some stores only believe it; every store checks a Content-MD5, which takes
more than twice the time to find.
"""

import base64
import hashlib
from collections.abc import Callable

from anyio import to_thread

from core.drivers.s3.options import PayloadCheck
from core.drivers.s3.part_body import PartBody

__all__ = ["content_headers", "request_headers"]

_INLINE_BYTES = 64 * 1024
"""The digest of less takes less time than a thread's turn."""

_EMPTY = hashlib.sha256().hexdigest()
_UNSIGNED = "UNSIGNED-PAYLOAD"


async def content_headers(content: PartBody, check: PayloadCheck) -> dict[str, str]:
    """Return the headers that tell the digest of an object or a part."""
    if check == "sha256":
        return {"x-amz-content-sha256": (await _find(_sha256, content)).hex()}
    if check == "md5":
        return {"x-amz-content-sha256": _UNSIGNED, "content-md5": await _find_md5(content)}
    return {"x-amz-content-sha256": _UNSIGNED}


async def request_headers(document: PartBody, check: PayloadCheck) -> dict[str, str]:
    """Return the same for a request whose content, if it has any, is a document.

    A Content-MD5 is sent with each, as some operations are refused without.
    """
    if not document:
        return {"x-amz-content-sha256": _EMPTY if check == "sha256" else _UNSIGNED}
    headers = await content_headers(document, check)
    return headers if check == "md5" else {**headers, "content-md5": await _find_md5(document)}


async def _find_md5(content: PartBody) -> str:
    return base64.b64encode(await _find(_md5, content)).decode("ascii")


async def _find(function: Callable[[PartBody], bytes], content: PartBody) -> bytes:
    if len(content) > _INLINE_BYTES:
        return await to_thread.run_sync(function, content)
    return function(content)


def _sha256(content: PartBody) -> bytes:
    return _digest(hashlib.sha256(), content)


def _md5(content: PartBody) -> bytes:
    return _digest(hashlib.md5(usedforsecurity=False), content)


def _digest(running: "hashlib._Hash", content: PartBody) -> bytes:
    for block in content.blocks():
        running.update(block)
    return running.digest()
