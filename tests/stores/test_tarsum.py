"""Layers by tarsum on object stores, where what is uploaded is copied to its place."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.drivers import StorageDriver
from core.errors import ArchiveTruncated
from core.storage import Registry
from tests.storage.pushing import R, all_files, read_layer, stream
from tests.storage.test_tarsum import LARGE, SMALL, V1, put_as_of_old, stored_of, tarsum_of
from tests.stores.conftest import ObjectStore

__all__: list[str] = []

ARCHIVES = pytest.mark.parametrize("archive", [SMALL, LARGE], ids=["small", "large"])


@pytest.fixture
async def driver(object_store: ObjectStore, tmp_path: Path) -> AsyncIterator[StorageDriver]:
    driver = object_store.make_driver(tmp_path)
    yield driver
    await driver.aclose()


@ARCHIVES
async def test_an_upload_of_which_the_end_is_missing_goes_on_and_is_stored_once(
    driver: StorageDriver, archive: bytes
) -> None:
    layers, digest = Registry(driver).repository(R).layers, tarsum_of(archive)
    async with await layers.upload() as upload:
        await upload.read_from(stream(archive[:514]))
    async with await layers.resume_writing(upload.upload_id, V1) as again:
        with pytest.raises(ArchiveTruncated):
            await again.finish(digest)
    async with await layers.resume_writing(upload.upload_id, V1) as again:
        await again.finish_with(stream(archive[514:]), digest)
    assert await all_files(driver) == stored_of(R, archive)


@pytest.mark.parametrize("archive", [b"", SMALL, LARGE], ids=["nothing", "small", "large"])
async def test_a_push_in_one_go_is_stored_once(driver: StorageDriver, archive: bytes) -> None:
    repository = Registry(driver).repository(R)
    await repository.layers.push(stream(archive), tarsum_of(archive))
    assert await all_files(driver) == stored_of(R, archive)
    assert await read_layer(repository, tarsum_of(archive)) == archive


async def test_a_layer_of_that_time_is_served(driver: StorageDriver) -> None:
    digest = await put_as_of_old(driver, R, SMALL)
    assert await read_layer(Registry(driver).repository(R), digest) == SMALL
