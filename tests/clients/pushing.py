"""Pushing piece by piece over HTTP, where no packaged client knows the feature."""

import hashlib
from typing import Any

import httpx
from pydantic_core import to_json

from tests.clients.images import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST

__all__ = ["connected", "push_blob", "push_image", "push_manifest"]


def connected(url: str) -> httpx.Client:
    """Give a client of the registry at `url`, whatever proxies the environment names."""
    return httpx.Client(base_url=url, trust_env=False, timeout=30)


def push_blob(
    registry: httpx.Client,
    repository: str,
    content: bytes,
    *,
    media_type: str = OCI_LAYER,
    algorithm: str = "sha256",
) -> dict[str, Any]:
    """Push a blob by POST and PUT, and give its descriptor."""
    digest = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    begun = registry.post(f"/v2/{repository}/blobs/uploads/")
    assert begun.status_code == 202, begun.text
    done = registry.put(
        httpx.URL(begun.headers["Location"]).copy_merge_params({"digest": digest}),
        content=content,
        headers={"Content-Type": "application/octet-stream"},
    )
    assert done.status_code == 201, done.text
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def push_manifest(
    registry: httpx.Client,
    repository: str,
    document: dict[str, Any],
    *,
    tag: str | None = None,
    algorithm: str = "sha256",
) -> dict[str, Any]:
    """Push a manifest under a tag, or else under its digest, and give its descriptor.

    Args:
        registry: to push to.
        repository: to push to.
        document: the manifest.
        tag: to push under; the digest is then of sha256, as no other can be told.
        algorithm: of the digest where there is no tag.
    """
    payload = to_json(document)
    chosen = "sha256" if tag else algorithm
    digest = f"{chosen}:{hashlib.new(chosen, payload).hexdigest()}"
    done = registry.put(
        f"/v2/{repository}/manifests/{tag or digest}",
        content=payload,
        headers={"Content-Type": document["mediaType"]},
    )
    assert done.status_code == 201, done.text
    assert done.headers["Docker-Content-Digest"] == digest
    return {"mediaType": document["mediaType"], "digest": digest, "size": len(payload)}


def push_image(
    registry: httpx.Client,
    repository: str,
    *,
    tag: str | None = None,
    layer: bytes,
    algorithm: str = "sha256",
    **members: object,
) -> dict[str, Any]:
    """Push an image of one layer, its manifest having `members` too; give its descriptor."""
    config = to_json({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers"}})
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": push_blob(
            registry, repository, config, media_type=OCI_CONFIG, algorithm=algorithm
        ),
        "layers": [push_blob(registry, repository, layer, algorithm=algorithm)],
        **members,
    }
    return push_manifest(registry, repository, document, tag=tag, algorithm=algorithm)
