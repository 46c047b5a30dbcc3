"""What clients do, in few words, and what must hold of a store whatever they did."""

import json
from collections.abc import AsyncIterator, Sequence

from core.digest import SHA256, Algorithm, Digest
from core.drivers import StorageDriver
from core.errors import PathNotFound
from core.manifest import OCI_INDEX, OCI_MANIFEST, Manifest, parse_manifest
from core.storage import Registry, Repository, RepositoryName, Tag

__all__ = [
    "CONFIG",
    "ROOT",
    "R",
    "all_files",
    "assert_whole",
    "image",
    "index",
    "push_blob",
    "push_image",
    "read_layer",
    "stream",
]

ROOT = "/docker/registry/v2"
R = RepositoryName("r/r")
CONFIG = b"{}"


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def push_blob(
    repository: Repository, content: bytes, algorithm: Algorithm = SHA256
) -> Digest:
    digest = Digest.of(content, algorithm)
    async with await repository.layers.upload(algorithm) as upload:
        await upload.read_from(stream(content))
        await upload.finish(digest)
    return digest


async def read_layer(repository: Repository, digest: Digest) -> bytes:
    layer = await repository.layers.fetch(digest)
    content = b""
    async with layer.open() as reader:
        async for chunk in reader.chunks():
            content += chunk
    return content


def descriptor(content: bytes, media_type: str = "application/octet-stream") -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def parse(document: dict[str, object], algorithm: Algorithm = SHA256) -> Manifest:
    payload = json.dumps(document).encode()
    return parse_manifest(payload, str(document["mediaType"]), Digest.of(payload, algorithm))


def image(
    *layers: bytes,
    subject: Manifest | None = None,
    algorithm: Algorithm = SHA256,
    **members: object,
) -> Manifest:
    """Return an image with `CONFIG` and these layers; `members` make it another one."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(CONFIG, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(layer) for layer in layers],
        **members,
    }
    if subject is not None:
        document["subject"] = {
            "mediaType": subject.media_type,
            "digest": str(subject.digest),
            "size": len(subject.payload),
        }
    return parse(document, algorithm)


def index(*children: Manifest, **members: object) -> Manifest:
    listed = [
        {"mediaType": one.media_type, "digest": str(one.digest), "size": len(one.payload)}
        for one in children
    ]
    return parse({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed, **members})


async def push_image(
    repository: Repository, manifest: Manifest, *layers: bytes, tags: Sequence[str] = ()
) -> Manifest:
    for content in (CONFIG, *layers):
        await push_blob(repository, content)
    await repository.manifests.put(manifest, [Tag.parse(tag) for tag in tags])
    return manifest


async def all_files(driver: StorageDriver, path: str = "/") -> dict[str, bytes]:
    """Return all files below `path` with their contents."""
    found = {}
    try:
        async for entry in driver.list(path):
            child = f"{path.rstrip('/')}/{entry.name}"
            if entry.is_directory:
                found.update(await all_files(driver, child))
            else:
                found[child] = await driver.get(child)
    except PathNotFound:
        pass
    return found


async def assert_whole(driver: StorageDriver) -> None:
    """Assert that every link leads to content, and all content is what its name says."""
    files = await all_files(driver)
    blobs = {}
    for path, content in files.items():
        if path.startswith(f"{ROOT}/blobs/"):
            algorithm, _, encoded, _ = path.removeprefix(f"{ROOT}/blobs/").split("/")
            digest = Digest.parse(f"{algorithm}:{encoded}")
            assert Digest.of(content, digest.algorithm) == digest
            blobs[digest] = content
    registry = Registry(driver)
    for path, content in files.items():
        if path.endswith("/link"):
            assert Digest.parse(content.decode()) in blobs, f"{path} leads nowhere"
        if path.endswith("/current/link"):
            text = path.removeprefix(f"{ROOT}/repositories/").partition("/_manifests/")[0]
            repository = registry.repository(RepositoryName.parse(text))
            stored = await repository.manifests.get(Tag.parse(path.split("/")[-3]))
            assert str(stored.digest) == content.decode()
