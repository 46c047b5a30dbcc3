"""Signed images of schema 1 on object stores, with a driver for each of two nodes."""

import gzip
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from anyio import create_task_group

from core.digest import Digest
from core.drivers import StorageDriver
from core.manifest.schema1 import split
from core.storage import Registry, Repository, RepositoryName, Tag, paths
from core.storage.signing_key import SigningKey
from tests.manifest.schema1.signing import ES, RS, image, sign
from tests.storage.pushing import all_files, push_blob
from tests.stores.conftest import ObjectStore

__all__: list[str] = []

NAME = RepositoryName("team/app")
V1 = Tag("1.0")
LAYER = gzip.compress(bytes(1024), mtime=0)
PAYLOAD = image(
    3,
    fsLayers=[{"blobSum": str(Digest.of(LAYER))}],
    history=[{"v1Compatibility": json.dumps({"id": "a" * 64})}],
)


@pytest.fixture
async def nodes(
    object_store: ObjectStore, tmp_path: Path
) -> AsyncIterator[Sequence[StorageDriver]]:
    drivers = [object_store.make_driver(tmp_path) for _ in range(2)]
    yield drivers
    for driver in drivers:
        await driver.aclose()


def repository(driver: StorageDriver) -> Repository:
    return Registry(driver, schema1="convert").repository(NAME)


async def push(driver: StorageDriver, document: bytes) -> None:
    manifests = repository(driver).manifests
    await manifests.put_signed(await manifests.read_signed(document, V1), [V1])


async def test_what_two_nodes_push_at_once_with_keys_of_their_own_is_joined(
    nodes: Sequence[StorageDriver],
) -> None:
    await push_blob(repository(nodes[0]), LAYER)
    async with create_task_group() as tasks:
        for driver, key in zip(nodes, (ES, RS), strict=True):
            tasks.start_soon(push, driver, sign(PAYLOAD, key))
    documents = {(await repository(driver).manifests.get(V1)).payload for driver in nodes}
    [document] = documents
    found = split(document)
    assert {one.key.key_id for one in found.signatures} == {ES.kid, RS.kid}
    assert list(found.faults()) == []


async def test_nodes_that_need_the_key_at_once_sign_alike(nodes: Sequence[StorageDriver]) -> None:
    keys: set[str] = set()

    async def get(driver: StorageDriver) -> None:
        keys.add((await SigningKey(driver).get()).public.key_id)

    async with create_task_group() as tasks:
        for driver in [*nodes] * 3:
            tasks.start_soon(get, driver)
    assert len(keys) == 1
    ours = [path for path in await all_files(nodes[0]) if "/_moorage/" in path]
    assert ours == [paths.SCHEMA1_KEY]


async def test_what_nodes_convert_at_once_is_the_same(nodes: Sequence[StorageDriver]) -> None:
    await push_blob(repository(nodes[0]), LAYER)
    await push(nodes[0], sign(PAYLOAD))
    signed = await repository(nodes[0]).manifests.get(V1)
    found: set[tuple[Digest, bytes]] = set()

    async def convert(driver: StorageDriver) -> None:
        conversions = repository(driver).conversions
        assert conversions is not None
        new = await conversions.to_image(signed, "oci")
        old = await conversions.to_schema1(new, Tag("2.0"))
        found.update({(new.digest, new.payload), (old.digest, old.payload)})

    async with create_task_group() as tasks:
        for driver in nodes:
            tasks.start_soon(convert, driver)
    assert len(found) == 2
    for digest, payload in found:
        assert (await repository(nodes[1]).manifests.get(digest)).payload == payload


async def test_a_manifest_that_is_deleted_and_pushed_again_has_all_its_signatures(
    nodes: Sequence[StorageDriver],
) -> None:
    await push_blob(repository(nodes[0]), LAYER)
    await push(nodes[0], sign(PAYLOAD, ES))
    await repository(nodes[1]).manifests.delete(Digest.of(PAYLOAD))
    assert await repository(nodes[0]).tags.find(V1) is None
    await push(nodes[1], sign(PAYLOAD, RS))
    document = (await repository(nodes[0]).manifests.get(V1)).payload
    assert {one.key.key_id for one in split(document).signatures} == {ES.kid, RS.kid}
