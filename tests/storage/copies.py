"""Stores to copy, copies of them, and what must hold of a copy."""

from pathlib import Path

from core.digest import SHA512, Digest
from core.drivers import StorageDriver, create_driver
from core.manifest import parse_manifest
from core.storage import Registry, RepositoryName, Tag, paths
from core.storage.copying import CopyTally, StoreCopier
from tests.storage.pushing import assert_whole, image, index, push_blob, push_image

__all__ = [
    "AB",
    "WRITES",
    "A",
    "assert_pullable",
    "copy",
    "fill",
    "make_driver",
    "memory",
    "subjects",
]

WRITES = {"put", "open_writer", "open_appender", "writer.write", "writer.commit", "move", "delete"}
A = RepositoryName("a")
AB = RepositoryName("a/b")


def make_driver(kind: str, folder: Path) -> StorageDriver:
    if kind == "memory":
        return create_driver("memory", {})
    return create_driver("filesystem", {"root": folder, "durability": "relaxed"})


def memory() -> StorageDriver:
    return create_driver("memory", {})


async def fill(driver: StorageDriver) -> None:
    """Everything that a store may hold and a copy should take."""
    registry = Registry(driver)
    a, ab = registry.repository(A), registry.repository(AB)
    first = await push_image(a, image(b"one"), b"one", tags=["v1", "latest"])
    second = await push_image(a, image(b"two", b""), b"two", b"", tags=["latest"])
    await a.manifests.put(index(first, second), [Tag("all")])
    await push_image(a, image(subject=first, annotations={"a": "signature"}))
    await push_blob(ab, b"of sha512", SHA512)
    await push_image(ab, image(b"one", algorithm=SHA512), b"one", tags=["v512"])
    await fill_in_the_ways_of_others(driver)


async def fill_in_the_ways_of_others(driver: StorageDriver) -> None:
    one = Digest.of(b"one")
    alias = Digest.of(b"one", SHA512)
    revision = image(b"one").digest
    repository = f"{paths.REPOSITORIES}/a"
    await driver.put(paths.layer_link(A, alias), str(one).encode())
    await driver.put(f"{repository}/_layers/tarsum/v1/sha256/{'0' * 64}/link", str(one).encode())
    await driver.put(
        f"{paths.revision_link(A, revision).removesuffix('/link')}"
        f"/signatures/sha256/{one.encoded}/link",
        str(one).encode(),
    )
    await driver.put(f"{repository}/_later/of/a/later/version", b"anything")
    await driver.put(f"{repository}/_manifests/later/note", b"more")


async def copy(
    source: StorageDriver,
    destination: StorageDriver,
    *names: RepositoryName,
    verify: bool = False,
    dry_run: bool = False,
    concurrency: int = 4,
    retry_seconds: float = 0,
) -> CopyTally:
    tally = CopyTally()
    await StoreCopier(
        source,
        destination,
        tally,
        repositories=names,
        verify=verify,
        dry_run=dry_run,
        concurrency=concurrency,
        retry_seconds=retry_seconds,
    ).copy()
    return tally


def subjects(tally: CopyTally) -> set[str]:
    return {fault.subject for fault in tally.faults}


async def assert_pullable(driver: StorageDriver) -> None:
    """Assert that every tag's manifest is there, with all that it refers to."""
    await assert_whole(driver)
    registry = Registry(driver)
    async for name in registry.list_repositories():
        repository = registry.repository(name)
        async for tag in repository.tags.list():
            stored = await repository.manifests.get(tag)
            manifest = parse_manifest(stored.payload, stored.media_type, stored.digest)
            for reference in manifest.references():
                digest = reference.descriptor.digest
                if reference.kind == "blob":
                    assert await repository.layers.exists(digest), f"{name}:{tag} lacks {digest}"
                else:
                    await repository.manifests.get(digest)
