"""Uploads that a process has begun cost it less, whatever other nodes do to them meanwhile."""

from collections.abc import AsyncIterator

import pytest

from core.drivers import Change, CleanUp, StorageDriver, create_driver
from core.drivers.s3.created_uploads import CreatedUploads
from core.errors import PathNotFound
from tests.drivers.s3_backdoor import Backdoor, record_requests, s3_of
from tests.servers.seaweedfs import S3Server

__all__: list[str] = []

MIB = 1024 * 1024
PATH = "/up/data"


@pytest.fixture
async def other(seaweedfs: S3Server, prefix: str) -> AsyncIterator[StorageDriver]:
    """A driver of another node over the same store."""
    driver = create_driver("s3", seaweedfs.settings(root_prefix=prefix))
    yield driver
    await driver.aclose()


async def append(driver: StorageDriver, content: bytes) -> int:
    async with await driver.open_appender(PATH) as appender:
        await appender.write(content)
        return appender.size


async def finish(driver: StorageDriver, *changes: Change) -> None:
    async with await driver.open_appender(PATH) as appender:
        await appender.commit()
        await driver.apply(changes)


async def test_an_upload_that_was_begun_here_is_not_looked_for(s3_driver: StorageDriver) -> None:
    requests = await record_requests(s3_driver)
    await s3_driver.create_upload(PATH)
    assert requests == ["CreateMultipartUpload"]
    requests.clear()
    assert await append(s3_driver, bytes(6 * MIB)) == 6 * MIB
    assert requests == ["PutObject", "ListParts", "UploadPart", "DeleteObject"]
    requests.clear()
    await finish(s3_driver, CleanUp("/up"))
    claimed = ["PutObject", "ListParts", "CompleteMultipartUpload"]
    assert requests == [*claimed, "ListObjectsV2", "DeleteObjects"]


async def test_what_another_node_added_counts(
    s3_driver: StorageDriver, other: StorageDriver
) -> None:
    await s3_driver.create_upload(PATH)
    assert await append(s3_driver, b"first ") == 6
    assert await append(other, b"second ") == 13
    assert await append(s3_driver, b"third") == 18
    await finish(other)
    assert await s3_driver.get(PATH) == b"first second third"


async def test_what_another_node_ended_is_gone(
    s3_driver: StorageDriver, other: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    await s3_driver.create_upload(PATH)
    await append(s3_driver, b"content")
    await other.delete("/up")
    with pytest.raises(PathNotFound):
        await s3_driver.open_appender(PATH)
    assert await backdoor.everything(prefix) == set()


async def test_what_another_node_committed_is_gone_on_with(
    s3_driver: StorageDriver, other: StorageDriver
) -> None:
    await s3_driver.create_upload(PATH)
    await append(s3_driver, b"content")
    await finish(other)
    assert await append(s3_driver, b" and more") == 16
    assert await append(other, b", and more") == 26
    await finish(s3_driver)
    assert await other.get(PATH) == b"content and more, and more"


async def test_where_an_upload_was_not_alone_all_that_is_left_is_aborted(
    s3_driver: StorageDriver, other: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    await s3_driver.create_upload(PATH)
    await append(s3_driver, b"content")
    await finish(other)
    await append(s3_driver, b" and more")
    backdoor.client.create_multipart_upload(Bucket=backdoor.bucket, Key=f"{prefix}/up/other")
    await finish(s3_driver, CleanUp("/up"))
    assert await backdoor.everything(prefix) == set()


async def test_of_very_many_uploads_the_last_are_known(s3_driver: StorageDriver) -> None:
    created = CreatedUploads()
    for number in range(5000):
        created.remember(f"/{number}", str(number))
    assert created.find("/0") is None
    assert created.find("/4999") == "4999"
    await s3_driver.create_upload(PATH)
    s3_of(s3_driver)._created.forget(PATH)
    assert await append(s3_driver, b"x") == 1
