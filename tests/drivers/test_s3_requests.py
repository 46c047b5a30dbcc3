"""How many requests each call of the S3 driver costs, and which."""

from collections import Counter

import pytest

from core.drivers import CleanUp, Move, Put, StorageDriver
from core.errors import PathNotFound, WriterBusy
from tests.drivers.s3_backdoor import Backdoor, record_requests

__all__: list[str] = []

MIB = 1024 * 1024
PART = 8 * MIB


@pytest.fixture
async def requests(s3_driver: StorageDriver) -> list[str]:
    return await record_requests(s3_driver)


async def test_small_values_cost_one_request(s3_driver: StorageDriver, requests: list[str]) -> None:
    await s3_driver.put("/a/b", b"value")
    assert await s3_driver.get("/a/b") == b"value"
    await s3_driver.stat("/a/b")
    assert requests == ["PutObject", "GetObject", "HeadObject"]


async def test_what_is_no_file_costs_a_listing_of_one_key(
    s3_driver: StorageDriver, requests: list[str]
) -> None:
    await s3_driver.put("/a/b", b"value")
    requests.clear()
    assert (await s3_driver.stat("/a")).is_directory
    with pytest.raises(PathNotFound):
        await s3_driver.stat("/c")
    assert requests == ["HeadObject", "ListObjectsV2"] * 2


async def test_a_clean_up_begins_once_what_stands_before_it_is_done(
    s3_driver: StorageDriver, requests: list[str]
) -> None:
    for path in ("/u/data", "/u/other"):
        await s3_driver.put(path, b"moved")
    requests.clear()
    await s3_driver.apply([Move("/u/data", "/b"), CleanUp("/u"), Put("/c", b"")])
    assert requests[:3] == ["HeadObject", "CopyObject", "DeleteObject"]
    assert "DeleteObject" in requests[3:]
    assert await s3_driver.get("/b") == b"moved"


async def test_a_range_costs_one_request(s3_driver: StorageDriver, requests: list[str]) -> None:
    await s3_driver.put("/a", b"0123456789")
    requests.clear()
    async with await s3_driver.open_reader("/a", 2, 5) as reader:
        assert await reader.read(100) == b"234"
        assert await reader.read(100) == b""
    assert requests == ["GetObject"]


async def test_what_fits_into_a_part_is_written_by_one_request(
    s3_driver: StorageDriver, requests: list[str]
) -> None:
    async with await s3_driver.open_writer("/a") as writer:
        await writer.write(bytes(PART))
        assert requests == []
        await writer.commit()
    assert requests == ["PutObject"]


async def test_larger_content_costs_a_request_for_each_part_and_two(
    s3_driver: StorageDriver, requests: list[str]
) -> None:
    async with await s3_driver.open_writer("/a") as writer:
        for _ in range(5):
            await writer.write(bytes(5 * MIB))
        await writer.commit()
    expected = {"CreateMultipartUpload": 1, "UploadPart": 4, "CompleteMultipartUpload": 1}
    assert Counter(requests) == expected
    assert requests[-1] == "CompleteMultipartUpload"


async def test_an_upload_begins_with_five_requests(
    s3_driver: StorageDriver, requests: list[str]
) -> None:
    async with await s3_driver.open_appender("/up/data", create=True):
        pass
    assert requests[0] == "PutObject"
    assert set(requests[1:3]) == {"HeadObject", "ListMultipartUploads"}
    assert requests[3:] == ["CreateMultipartUpload", "DeleteObject"]
    await s3_driver.delete("/up")


async def test_a_chunk_of_an_upload_costs_what_it_needs(
    s3_driver: StorageDriver, requests: list[str]
) -> None:
    async with await s3_driver.open_appender("/up/data", create=True):
        pass
    opening = {"PutObject": 1, "HeadObject": 1, "ListMultipartUploads": 1, "ListParts": 1}
    requests.clear()
    async with await s3_driver.open_appender("/up/data") as writer:
        await writer.write(bytes(6 * MIB))
    assert Counter(requests) == {**opening, "UploadPart": 1, "DeleteObject": 1}
    requests.clear()
    async with await s3_driver.open_appender("/up/data") as writer:
        await writer.write(b"tail")
    # The claim, and the tail beside its part.
    assert Counter(requests) == {**opening, "PutObject": 2, "UploadPart": 1, "DeleteObject": 1}
    requests.clear()
    async with await s3_driver.open_appender("/up/data") as writer:
        await writer.commit()
    # Nothing is fetched where nothing is written; the claim and the tail are deleted.
    assert Counter(requests) == {**opening, "CompleteMultipartUpload": 1, "DeleteObject": 2}


async def test_what_an_appender_has_committed_is_copied_and_deleted_without_asking_for_it(
    s3_driver: StorageDriver, requests: list[str], backdoor: Backdoor, prefix: str
) -> None:
    await s3_driver.put("/up/startedat", b"")
    await s3_driver.create_upload("/up/data")
    async with await s3_driver.open_appender("/up/data") as writer:
        await writer.write(b"content")
        await writer.commit()
        requests.clear()
        await s3_driver.copy("/up/data", "/blob")
        assert requests == ["CopyObject"]
        await s3_driver.delete("/up")
        requests.clear()
    # The claim was deleted with all else.
    assert requests == []
    assert await s3_driver.get("/blob") == b"content"
    assert await backdoor.keys(prefix) == {"/blob"}


async def test_what_somebody_has_replaced_is_copied_as_it_is_now(
    s3_driver: StorageDriver, requests: list[str], backdoor: Backdoor, prefix: str
) -> None:
    await s3_driver.create_upload("/up/data")
    async with await s3_driver.open_appender("/up/data") as writer:
        await writer.write(b"content")
        await writer.commit()
        await backdoor.write(f"{prefix}/up/data", b"others")
        requests.clear()
        await s3_driver.copy("/up/data", "/blob")
        assert requests == ["CopyObject", "HeadObject", "CopyObject"]
    assert await s3_driver.get("/blob") == b"others"


async def test_a_refused_appender_costs_three_requests(
    s3_driver: StorageDriver, requests: list[str]
) -> None:
    async with await s3_driver.open_appender("/a", create=True) as writer:
        requests.clear()
        with pytest.raises(WriterBusy):
            await s3_driver.open_appender("/a")
        assert requests == ["PutObject", "GetObject", "HeadObject"]
        await writer.cancel()


async def test_a_move_costs_three_requests(s3_driver: StorageDriver, requests: list[str]) -> None:
    await s3_driver.put("/a", b"value")
    requests.clear()
    await s3_driver.move("/a", "/b")
    assert requests == ["HeadObject", "CopyObject", "DeleteObject"]


@pytest.mark.parametrize("path", ["/links/a/link", "/uploads/a"])
async def test_a_link_or_an_upload_is_deleted_by_three_requests(
    s3_driver: StorageDriver, requests: list[str], path: str
) -> None:
    for stored in ("/links/a/link", "/links/ab/link", "/uploads/a/startedat", "/uploads/a/more"):
        await s3_driver.put(stored, b"")
    requests.clear()
    await s3_driver.delete(path)
    assert set(requests[:2]) == {"ListObjectsV2", "ListMultipartUploads"}
    assert requests[2:] == ["DeleteObject" if path.endswith("link") else "DeleteObjects"]


async def test_a_listing_asks_for_nothing_below_the_children(
    s3_driver: StorageDriver, requests: list[str], backdoor: Backdoor, prefix: str
) -> None:
    for number in range(20):
        await backdoor.write(f"{prefix}/dir/a/{number}", b"")
    await backdoor.write(f"{prefix}/dir/b", b"")
    assert [entry.name async for entry in s3_driver.list("/dir")] == ["a", "b"]
    assert [entry.name async for entry in s3_driver.list("/dir", "a")] == ["b"]
    assert requests == ["ListObjectsV2"] * 2


async def test_a_redirect_costs_no_request(s3_driver: StorageDriver, requests: list[str]) -> None:
    assert await s3_driver.redirect_url("/a", "GET") is not None
    assert requests == []
