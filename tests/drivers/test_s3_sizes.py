"""The S3 driver with much: many keys, large objects, and the memory that they take."""

import itertools
import tracemalloc
from collections.abc import AsyncIterator, Callable

import pytest
from anyio import CancelScope, create_task_group, sleep
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from core.drivers import StorageDriver, create_driver
from core.drivers.s3 import S3Options
from core.errors import PathNotFound
from tests.drivers.s3_backdoor import Backdoor, record_requests
from tests.servers.lossy import Busy, running_lossy_proxy
from tests.servers.seaweedfs import S3Server

__all__: list[str] = []

MIB = 1024 * 1024


@pytest.fixture
async def moto_driver(moto: S3Server, prefix: str) -> AsyncIterator[StorageDriver]:
    driver = create_driver("s3", moto.settings(root_prefix=prefix))
    yield driver
    await driver.aclose()


@pytest.fixture
def plant(moto: S3Server, prefix: str) -> Callable[[str], object]:
    """Puts empty objects into moto's memory: thousands of requests would take their time."""
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    return lambda path: backend.put_object(moto.bucket, prefix + path, b"")


async def test_a_long_listing_comes_in_pages_and_in_order(
    moto_driver: StorageDriver, plant: Callable[[str], object]
) -> None:
    # In the order of keys, the directories come behind their longer neighbours.
    directories = [f"{number:04}" for number in range(1000)]
    files = [f"{name}{end}" for name in directories for end in ("-rc", ".1")]
    for name in directories:
        plant(f"/dir/{name}/below")
        plant(f"/dir/{name}/further")
    for name in files:
        plant(f"/dir/{name}")
    requests = await record_requests(moto_driver)
    names = [entry.name async for entry in moto_driver.list("/dir")]
    assert names == sorted([*directories, *files])
    assert requests == ["ListObjectsV2"] * 3
    names = [entry.name async for entry in moto_driver.list("/dir", "0990")]
    assert names == [name for name in sorted([*directories, *files]) if name > "0990"]


async def test_a_listing_that_is_left_asks_for_no_further_page(
    moto_driver: StorageDriver, plant: Callable[[str], object]
) -> None:
    for number in range(2500):
        plant(f"/dir/{number:04}")
    requests = await record_requests(moto_driver)
    async for entry in moto_driver.list("/dir"):
        if entry.name == "0500":
            break
    assert requests == ["ListObjectsV2"]


async def test_many_keys_are_deleted_in_batches(
    moto_driver: StorageDriver, moto: S3Server, prefix: str, plant: Callable[[str], object]
) -> None:
    for number in range(2500):
        plant(f"/dir/{number % 10}/{number}")
    plant("/dir")
    plant("/dir-beside")
    requests = await record_requests(moto_driver)
    await moto_driver.delete("/dir")
    assert requests.count("DeleteObjects") + requests.count("DeleteObject") <= 5
    assert await Backdoor(moto).everything(prefix) == {"/dir-beside"}
    with pytest.raises(PathNotFound):
        await moto_driver.delete("/dir")


@pytest.fixture
async def small_parts(seaweedfs: S3Server, prefix: str) -> AsyncIterator[StorageDriver]:
    settings = seaweedfs.settings(
        root_prefix=prefix,
        part_bytes=5 * MIB,
        part_concurrency=2,
        copy_threshold_bytes=6 * MIB,
        copy_part_bytes=5 * MIB,
    )
    driver = create_driver("s3", settings)
    yield driver
    await driver.aclose()


async def test_a_writer_holds_no_more_than_its_parts(
    small_parts: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    await small_parts.put("/warm", b"")
    chunk = bytes(range(256)) * 4096
    tracemalloc.start()
    try:
        async with await small_parts.open_writer("/a") as writer:
            for _ in range(64):
                await writer.write(chunk)
            await writer.commit()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Three parts, and an eighth more that a growing buffer takes.
    assert peak < 3 * 5 * MIB * 9 / 8 + 2 * MIB
    assert await backdoor.read(f"{prefix}/a") == chunk * 64


async def test_a_large_object_is_moved_in_ranges(
    small_parts: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    content = bytes(range(256)) * 4096 * 23 + b"end"
    await backdoor.write(f"{prefix}/a", content)
    await backdoor.write(f"{prefix}/b", b"old")
    requests = await record_requests(small_parts)
    await small_parts.move("/a", "/b")
    assert requests.count("UploadPartCopy") == 4
    assert await backdoor.everything(prefix) == {"/b"}
    assert await backdoor.read(f"{prefix}/b") == content


async def test_a_large_move_that_fails_leaves_everything_as_it_was(
    seaweedfs: S3Server, backdoor: Backdoor, prefix: str
) -> None:
    content = bytes(range(256)) * 4096 * 12
    await backdoor.write(f"{prefix}/a", content)
    async with running_lossy_proxy(seaweedfs.endpoint_url) as proxy:
        settings = seaweedfs.settings(
            root_prefix=prefix, copy_threshold_bytes=MIB, copy_part_bytes=5 * MIB, max_attempts=1
        )
        driver = create_driver("s3", {**settings, "endpoint_url": proxy.endpoint_url})
        proxy.once("PUT", "partNumber=2", Busy(400, "InvalidRequest"))
        with pytest.raises(Exception, match="UploadPartCopy: InvalidRequest"):
            await driver.move("/a", "/b")
        await driver.aclose()
    assert await backdoor.everything(prefix) == {"/a"}


async def test_a_large_move_that_is_cancelled_has_happened_whole_or_not_at_all(
    small_parts: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    content = bytes(range(256)) * 4096 * 23
    for delay in (0.0, 0.01, 0.03, 0.1):
        await backdoor.write(f"{prefix}/a", content)
        with CancelScope() as scope:
            async with create_task_group() as tasks:
                tasks.start_soon(small_parts.move, "/a", "/b")
                await sleep(delay)
                scope.cancel()
        assert await backdoor.everything(prefix) in ({"/a"}, {"/b"}, {"/a", "/b"})
        for path in await backdoor.keys(prefix):
            assert await backdoor.read(prefix + path) == content
            await small_parts.delete(path)


def test_ten_thousand_parts_suffice_for_the_largest_object() -> None:
    for part_bytes in (5 * MIB, 10 * MIB, 5 * 1024 * MIB):
        options = S3Options(bucket="b", part_bytes=part_bytes)
        sizes = [options.part_size(number) for number in range(1, 10_001)]
        assert sum(sizes) > 5 * 1024 * 1024 * MIB
        assert max(sizes) <= 5 * 1024 * MIB
        assert all(size <= following for size, following in itertools.pairwise(sizes))
        kept = (options.smallest_part(number) for number in range(1, 10_001))
        assert sum(kept) > 2 * 1024 * 1024 * MIB
        assert options.smallest_part(1) == 5 * MIB
