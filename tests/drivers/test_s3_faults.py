"""The S3 driver before a store that is busy, breaks off, or answers where nobody hears it."""

import base64
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from core.drivers import StorageDriver, create_driver
from core.drivers.s3 import payloads
from core.drivers.s3.part_body import PartBody
from core.drivers.s3.transport import Request
from core.errors import DriverUnavailable, PathNotFound, StorageFull
from tests.drivers.s3_backdoor import Backdoor, watch_requests
from tests.servers.lossy import (
    CutAfter,
    Instead,
    LossyProxy,
    Lost,
    refused,
    running_lossy_proxy,
)
from tests.servers.seaweedfs import S3Server

__all__: list[str] = []

MIB = 1024 * 1024


@pytest.fixture
async def proxy(seaweedfs: S3Server) -> AsyncIterator[LossyProxy]:
    async with running_lossy_proxy(seaweedfs.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
async def driver(
    seaweedfs: S3Server, proxy: LossyProxy, prefix: str
) -> AsyncIterator[StorageDriver]:
    settings = seaweedfs.settings(root_prefix=prefix, max_attempts=3)
    driver = create_driver("s3", {**settings, "endpoint_url": proxy.endpoint_url})
    yield driver
    await driver.aclose()


async def write(driver: StorageDriver, path: str, content: bytes) -> None:
    async with await driver.open_writer(path) as writer:
        await writer.write(content)
        await writer.commit()


@pytest.mark.parametrize(
    "refusal",
    [refused(503, "SlowDown"), refused(429, "TooMany"), refused(500, "InternalError"), Lost()],
    ids=str,
)
async def test_a_passing_fault_is_tried_again(
    driver: StorageDriver, proxy: LossyProxy, refusal: Instead | Lost
) -> None:
    proxy.once("PUT", "/a", refusal, refusal)
    await driver.put("/a", b"value")
    assert await driver.get("/a") == b"value"
    assert len(proxy.requests) == 4


async def test_a_store_that_stays_busy_is_unavailable(
    driver: StorageDriver, proxy: LossyProxy
) -> None:
    proxy.once("PUT", "/a", *[refused(503, "SlowDown")] * 3)
    with pytest.raises(DriverUnavailable, match="PutObject: SlowDown"):
        await driver.put("/a", b"value")
    assert len(proxy.requests) == 3


async def test_a_refusal_is_not_tried_again(driver: StorageDriver, proxy: LossyProxy) -> None:
    proxy.once("PUT", "/a", refused(403, "AccessDenied"))
    with pytest.raises(DriverUnavailable, match="AccessDenied") as caught:
        await driver.put("/a", b"value")
    assert len(proxy.requests) == 1
    assert "testsecret" not in repr(caught.value)
    assert "testsecret" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "refusal", [refused(403, "QuotaExceeded"), refused(507, "InsufficientStorage")], ids=str
)
async def test_a_store_without_room_is_full(
    driver: StorageDriver, proxy: LossyProxy, refusal: Instead
) -> None:
    proxy.once("PUT", "/a", refusal)
    with pytest.raises(StorageFull):
        await driver.put("/a", b"value")


async def test_a_success_that_tells_of_a_failure_is_tried_again(
    driver: StorageDriver, proxy: LossyProxy, backdoor: Backdoor, prefix: str
) -> None:
    content = b"x" * 11 * MIB
    proxy.once("POST", "uploadId=", refused(200, "InternalError"))
    await write(driver, "/a", content)
    proxy.once("PUT", "/b", refused(200, "InternalError"))
    await driver.move("/a", "/b")
    assert await backdoor.everything(prefix) == {"/b"}
    assert await backdoor.read(f"{prefix}/b") == content


@pytest.mark.parametrize(("code", "passes"), [("InternalError", True), ("AccessDenied", False)])
async def test_keys_that_were_not_deleted_are_tried_again_or_told(
    driver: StorageDriver,
    proxy: LossyProxy,
    backdoor: Backdoor,
    prefix: str,
    code: str,
    passes: bool,
) -> None:
    for name in ("one", "two"):
        await driver.put(f"/dir/{name}", b"")
    error = f"<Error><Key>{prefix}/dir/two</Key><Code>{code}</Code></Error>"
    proxy.once("POST", "delete", Instead(200, f"<DeleteResult>{error}</DeleteResult>"))
    if passes:
        await driver.delete("/dir")
        # The store was told to answer that the first one is deleted, which it is not.
        assert await backdoor.everything(prefix) == {"/dir/one"}
    else:
        with pytest.raises(DriverUnavailable, match="AccessDenied") as caught:
            await driver.delete("/dir")
        assert caught.value.path == "/dir/two"


async def test_a_store_that_is_not_there_is_unavailable(seaweedfs: S3Server) -> None:
    settings = {**seaweedfs.settings(max_attempts=1), "endpoint_url": "http://127.0.0.1:1"}
    driver = create_driver("s3", settings)
    with pytest.raises(DriverUnavailable, match="ConnectionRefusedError"):
        await driver.get("/a")
    await driver.aclose()


async def test_a_part_is_sent_again_whole(
    driver: StorageDriver, proxy: LossyProxy, backdoor: Backdoor, prefix: str
) -> None:
    content = bytes(range(256)) * 4096 * 12
    proxy.once("PUT", "partNumber=1", Lost())
    await write(driver, "/a", content)
    assert await backdoor.read(f"{prefix}/a") == content


async def test_an_answer_that_breaks_off_is_continued(
    driver: StorageDriver, proxy: LossyProxy
) -> None:
    content = bytes(range(256)) * 4096 * 3
    await write(driver, "/a", content)
    proxy.once("GET", "/a", *[CutAfter(MIB)] * 2)
    proxy.requests.clear()
    read = b""
    async with await driver.open_reader("/a", 1000, len(content) - 1000) as reader:
        while chunk := await reader.read(300_000):
            read += chunk
    assert read == content[1000:-1000]
    assert [method for method, _ in proxy.requests] == ["GET"] * 3


async def test_a_file_that_changed_while_its_answer_broke_off_is_not_mixed_with_the_new(
    driver: StorageDriver, proxy: LossyProxy, backdoor: Backdoor, prefix: str
) -> None:
    await write(driver, "/a", b"old" * MIB)
    proxy.once("GET", "/a", CutAfter(MIB))
    async with await driver.open_reader("/a") as reader:
        await reader.read(10)
        await backdoor.write(f"{prefix}/a", b"new" * MIB)
        with pytest.raises(DriverUnavailable):
            while await reader.read(100_000):
                pass


async def test_a_file_that_was_deleted_while_its_answer_broke_off_is_unavailable(
    driver: StorageDriver, proxy: LossyProxy
) -> None:
    await write(driver, "/a", b"old" * MIB)
    proxy.once("GET", "/a", CutAfter(MIB))
    async with await driver.open_reader("/a") as reader:
        await reader.read(10)
        await driver.delete("/a")
        with pytest.raises(DriverUnavailable, match="deleted"):
            while await reader.read(100_000):
                pass


async def test_an_answer_that_breaks_off_again_and_again_is_not_the_end_of_the_file(
    driver: StorageDriver, proxy: LossyProxy
) -> None:
    await write(driver, "/a", b"x" * 3 * MIB)
    # No byte of the content ever comes.
    proxy.plan = lambda method, _: CutAfter(1) if method == "GET" else None
    with pytest.raises(DriverUnavailable):
        await driver.get("/a")


async def test_a_commit_whose_answer_was_lost_is_a_commit(
    driver: StorageDriver, proxy: LossyProxy, backdoor: Backdoor, prefix: str
) -> None:
    content = bytes(range(256)) * 4096 * 12
    proxy.once("POST", "uploadId=", Lost())
    await write(driver, "/a", content)
    assert await backdoor.everything(prefix) == {"/a"}
    assert await backdoor.read(f"{prefix}/a") == content


async def test_a_commit_is_no_success_where_another_object_stands(
    driver: StorageDriver, proxy: LossyProxy, backdoor: Backdoor, prefix: str
) -> None:
    async with await driver.open_writer("/a") as writer:
        await writer.write(b"x" * 11 * MIB)
        await backdoor.write(f"{prefix}/a", b"other")
        for _, upload_id in await backdoor.uploads(prefix):
            backdoor.client.abort_multipart_upload(
                Bucket=backdoor.bucket, Key=f"{prefix}/a", UploadId=upload_id
            )
        with pytest.raises(PathNotFound):
            await writer.commit()
    assert await backdoor.read(f"{prefix}/a") == b"other"


async def test_a_claim_whose_answer_was_lost_is_held(
    driver: StorageDriver, proxy: LossyProxy
) -> None:
    proxy.once("PUT", "~claim", Lost())
    async with await driver.open_appender("/a", create=True) as writer:
        await writer.cancel()


@pytest.mark.parametrize("check", ["sha256", "md5"])
async def test_the_digest_of_content_goes_with_it(
    seaweedfs: S3Server, prefix: str, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = getattr(payloads, f"_{check}")

    def digest(content: PartBody) -> object:
        seen.append((len(content), original(content)))
        return seen[-1][1]

    monkeypatch.setattr(payloads, f"_{check}", digest)
    driver = create_driver("s3", seaweedfs.settings(root_prefix=prefix, payload_check=check))
    sent: list[tuple[str, str]] = []

    def on_send(request: Request) -> None:
        if request.operation in {"PutObject", "UploadPart"}:
            headers = request.headers
            sent.append((headers["x-amz-content-sha256"], headers.get("content-md5", "")))

    await watch_requests(driver, on_send)
    await driver.put("/small", b"x")
    await write(driver, "/large", b"x" * 11 * MIB)
    await driver.aclose()
    # Each once, beside the document that names the parts.
    sizes = Counter(size for size, _ in seen)
    assert [sizes[size] for size in (1, 3 * MIB, 8 * MIB)] == [1, 1, 1]
    digests = {found for _, found in seen}
    for sha256, md5 in sent:
        if check == "sha256":
            assert bytes.fromhex(sha256) in digests
        else:
            assert sha256 == "UNSIGNED-PAYLOAD"
            assert base64.b64decode(md5) in digests


async def test_content_that_was_damaged_on_its_way_is_refused(
    seaweedfs: S3Server, prefix: str, backdoor: Backdoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # SeaweedFS checks no other digest.
    driver = create_driver("s3", seaweedfs.settings(root_prefix=prefix, payload_check="md5"))
    original = payloads._md5
    monkeypatch.setattr(
        payloads, "_md5", lambda content: original(PartBody(b"".join(content.blocks()) + b"!"))
    )
    with pytest.raises(DriverUnavailable, match="BadDigest"):
        await write(driver, "/small", b"x" * MIB)
    with pytest.raises(DriverUnavailable, match="BadDigest"):
        await write(driver, "/large", b"x" * 11 * MIB)
    assert await backdoor.everything(prefix) == set()
    await driver.aclose()


async def test_a_cancelled_writer_leaves_nothing_on_its_way(
    driver: StorageDriver, proxy: LossyProxy, backdoor: Backdoor, prefix: str
) -> None:
    for parts in range(1, 4):
        writer = await driver.open_writer("/a")
        await writer.write(b"x" * 11 * MIB * parts)
        await writer.aclose()
        count = len(proxy.requests)
        assert await backdoor.everything(prefix) == set()
        with contextlib.suppress(PathNotFound):
            await driver.get("/b")
        assert len(proxy.requests) == count + 1
