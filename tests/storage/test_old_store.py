"""Stores from before layers were named by SHA-256: copied, and opened as they are."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from core.digest import Digest
from core.drivers import StorageDriver, create_driver
from core.manifest.schema1 import split
from core.storage import Registry, RepositoryName, Tag, paths
from core.storage.copying import CopyTally, StoreCopier
from tests.digest.tarsum.archives import END, entry
from tests.storage.pushing import R, all_files, image, push_blob, push_image, read_layer
from tests.storage.test_tarsum import SMALL, V1, put_as_of_old

__all__: list[str] = []

FOLDER = Path(__file__).parents[3] / "shared" / "vectors"
LIST = FOLDER / "seed-store.json"
needs_seed_store = pytest.mark.skipif(not LIST.is_file(), reason=f"there is no {LIST}")


async def copy(
    source: StorageDriver, destination: StorageDriver, *names: RepositoryName, **options: bool
) -> CopyTally:
    tally = CopyTally()
    await StoreCopier(
        source, destination, tally, repositories=names, retry_seconds=0, **options
    ).copy()
    return tally


def memory() -> StorageDriver:
    return create_driver("memory", {})


@pytest.fixture
def seeds() -> dict[str, Any]:
    """What is in the store of the time, as its makers tell."""
    facts: dict[str, Any] = json.loads(LIST.read_text())
    return facts


@pytest.fixture
def seed_store(tmp_path: Path) -> StorageDriver:
    """A store that a registry of the time has written."""
    with tarfile.open(FOLDER / "seed-store.tar") as archive:
        archive.extractall(tmp_path / "seeds", filter="data")
    return create_driver("filesystem", {"root": tmp_path / "seeds", "durability": "relaxed"})


# Copying.


@pytest.mark.parametrize("names", [(), (R,)])
async def test_layers_of_both_kinds_are_copied_as_they_are(
    driver: StorageDriver, names: tuple[RepositoryName, ...]
) -> None:
    source = memory()
    await put_as_of_old(source, R, SMALL)
    await push_blob(Registry(source).repository(R), entry(b"new") + END, V1)
    tally = await copy(source, driver, *names)
    assert (tally.faults, tally.copied_blobs) == ([], 2)
    assert await all_files(driver) == await all_files(source)
    again = await copy(source, driver, *names, verify=True)
    assert (again.faults, again.copied_blobs, again.present_blobs) == ([], 0, 2)


@pytest.mark.parametrize("damage", [SMALL[:515], b"x" * 600, entry(b"other") + END])
async def test_a_damaged_layer_of_that_time_is_reported_and_left_behind(damage: bytes) -> None:
    source, destination = memory(), memory()
    digest = await put_as_of_old(source, R, SMALL)
    await source.put(paths.blob_data(digest), damage)
    tally = await copy(source, destination)
    assert [fault.subject for fault in tally.faults] == [str(digest), paths.layer_link(R, digest)]
    assert await all_files(destination) == {}


async def test_a_damaged_layer_of_that_time_is_healed_by_a_copy_that_verifies() -> None:
    source, destination = memory(), memory()
    digest = await put_as_of_old(source, R, SMALL)
    await put_as_of_old(destination, R, SMALL)
    await destination.put(paths.blob_data(digest), SMALL[:515])
    assert (await copy(source, destination, verify=True)).healed_blobs == 1
    assert await all_files(destination) == await all_files(source)


async def test_a_link_to_bytes_that_holds_a_tarsum_is_not_copied() -> None:
    source, destination = memory(), memory()
    digest = await put_as_of_old(source, R, SMALL)
    linked = Digest.of(SMALL)
    await source.put(paths.layer_link(R, linked), str(digest).encode())
    tally = await copy(source, destination)
    assert [fault.subject for fault in tally.faults] == [paths.layer_link(R, linked)]
    assert paths.layer_link(R, linked) not in await all_files(destination)


# A store that others have written.


@needs_seed_store
async def test_the_store_of_the_time_lists_its_repositories_and_tags(
    seed_store: StorageDriver, seeds: dict[str, Any]
) -> None:
    registry = Registry(seed_store)
    found = {
        str(name): {
            str(tag): str(await registry.repository(name).manifests.resolve(tag))
            async for tag in registry.repository(name).list_tags()
        }
        async for name in registry.list_repositories()
    }
    assert found == {
        name: {tag: facts["digest"] for tag, facts in tags.items()}
        for name, tags in seeds["repositories"].items()
    }


@needs_seed_store
async def test_the_store_of_the_time_gives_every_layer_of_every_manifest(
    seed_store: StorageDriver, seeds: dict[str, Any]
) -> None:
    layers = seeds["layers"]
    for name, tags in seeds["repositories"].items():
        repository = Registry(seed_store).repository(RepositoryName(name))
        for tag, facts in tags.items():
            manifest = await repository.manifests.get(Tag(tag))
            assert len(split(manifest.payload).payload) == facts["payload_length"]
            for text in facts["fsLayers"]:
                assert text.encode() in manifest.payload
                content = await read_layer(repository, Digest.parse(text))
                assert len(content) == layers[text]["size"]
                assert str(Digest.of(content)) == f"sha256:{layers[text]['sha256']}"
                assert str(Digest.of(content, V1)) == text


@needs_seed_store
async def test_new_images_go_beside_what_the_store_of_the_time_has(
    seed_store: StorageDriver,
) -> None:
    before = await all_files(seed_store)
    repository = Registry(seed_store).repository(RepositoryName("single"))
    await push_image(repository, image(b"new"), b"new", tags=["new"])
    await push_blob(repository, SMALL, V1)
    assert [str(tag) async for tag in repository.list_tags()] == ["both", "new", "stable"]
    assert (await repository.manifests.get(Tag("new"))).digest == image(b"new").digest
    after = await all_files(seed_store)
    assert {path: after[path] for path in before} == before


@needs_seed_store
async def test_the_store_of_the_time_is_copied_to_the_last_file(
    seed_store: StorageDriver, driver: StorageDriver
) -> None:
    tally = await copy(seed_store, driver)
    assert tally.faults == []
    files = await all_files(seed_store)
    # One upload there was begun and never finished.
    kept = {path: content for path, content in files.items() if "/_uploads/" not in path}
    assert len(files) == len(kept) + 1
    assert await all_files(driver) == kept
