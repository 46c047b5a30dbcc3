"""A small image to pull, and the requests that pull it."""

import hashlib
import json

from core.manifest import OCI_MANIFEST

__all__ = ["PULLS", "PUSHES"]

_BLOB = b"\x01" * 4096
_DIGEST = f"sha256:{hashlib.sha256(_BLOB).hexdigest()}"
_DESCRIPTOR = {"mediaType": "application/octet-stream", "digest": _DIGEST, "size": len(_BLOB)}
_MANIFEST = json.dumps(
    {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": _DESCRIPTOR, "layers": []}
).encode()

PULLS = {
    "GET manifest by tag": ("GET", "/v2/r/a/manifests/latest"),
    "HEAD manifest by tag": ("HEAD", "/v2/r/a/manifests/latest"),
    "GET manifest by digest": (
        "GET",
        f"/v2/r/a/manifests/sha256:{hashlib.sha256(_MANIFEST).hexdigest()}",
    ),
    "GET blob": ("GET", f"/v2/r/a/blobs/{_DIGEST}"),
    "HEAD blob": ("HEAD", f"/v2/r/a/blobs/{_DIGEST}"),
}


PUSHES = (
    ("POST", f"/v2/r/a/blobs/uploads/?digest={_DIGEST}", _BLOB, "application/octet-stream"),
    ("PUT", "/v2/r/a/manifests/latest", _MANIFEST, OCI_MANIFEST),
)
"""What pushes the image: method, path, body and its type."""
