"""Content to push: blobs, manifests, and a repository to push them into."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from tests.api.wire import Answer, Wire, add_query

__all__ = [
    "CONFIG_TYPE",
    "EMPTY_JSON",
    "EMPTY_TYPE",
    "INDEX_TYPE",
    "LAYER_TYPE",
    "MANIFEST_TYPE",
    "Repository",
    "describe",
    "digest_of",
    "image",
    "index",
]

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY_JSON = b"{}"


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """Give the digest of `content` as clients write it."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def describe(
    content: bytes, media_type: str, *, algorithm: str = "sha256", **members: object
) -> dict[str, Any]:
    """Give the descriptor of `content`."""
    return {
        "mediaType": media_type,
        "digest": digest_of(content, algorithm),
        "size": len(content),
        **members,
    }


def image(
    layers: Sequence[dict[str, Any]] = (),
    config: dict[str, Any] | None = None,
    **members: object,
) -> bytes:
    """Give an image manifest; without a config it has the empty one."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config or describe(EMPTY_JSON, EMPTY_TYPE),
            "layers": list(layers),
            **members,
        }
    ).encode()


def index(manifests: Sequence[dict[str, Any]] = (), **members: object) -> bytes:
    """Give an image index."""
    return json.dumps(
        {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": list(manifests), **members}
    ).encode()


class Repository:
    """One repository of a registry, as a client sees it."""

    def __init__(self, wire: Wire, name: str) -> None:
        self.wire = wire
        self.name = name
        self.url = f"/v2/{name}"

    def start(self, **parameters: str) -> str:
        """Begin an upload and give its Location."""
        answer = self.wire.ask("POST", add_query(f"{self.url}/blobs/uploads/", **parameters))
        assert answer.status == 202
        assert answer.headers["content-length"] == "0"
        return answer.headers["location"]

    def push_blob(self, content: bytes, algorithm: str = "sha256") -> str:
        """Push a blob as most clients do, and give its digest."""
        digest = digest_of(content, algorithm)
        answer = self.wire.ask("PUT", add_query(self.start(), digest=digest), content)
        assert answer.status == 201, answer
        return digest

    def put_manifest(
        self, payload: bytes, reference: str | None = None, media_type: str = MANIFEST_TYPE
    ) -> Answer:
        """PUT a manifest under a tag or, without one, under its digest."""
        return self.wire.ask(
            "PUT",
            f"{self.url}/manifests/{reference or digest_of(payload)}",
            payload,
            {"Content-Type": media_type},
        )

    def push_manifest(
        self, payload: bytes, reference: str | None = None, media_type: str = MANIFEST_TYPE
    ) -> str:
        """Push a manifest and give its digest."""
        answer = self.put_manifest(payload, reference, media_type)
        assert answer.status == 201, answer
        return answer.headers["docker-content-digest"]

    def push_image(self, tag: str | None = None, **members: object) -> bytes:
        """Push an image without layers, and give its bytes."""
        self.push_blob(EMPTY_JSON)
        payload = image((), None, **members)
        self.push_manifest(payload, tag)
        return payload
