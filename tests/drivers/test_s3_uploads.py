"""Uploads of the S3 driver: tails, uploads of other programs, rivals, and what crashes leave."""

import random
from collections.abc import AsyncIterator

import pytest
from anyio import sleep

from core.drivers import StorageDriver, claims, create_driver
from core.drivers.s3.bucket import Part
from core.drivers.s3.part_body import PartBody
from core.drivers.s3.tails import get_tail, put_tail
from core.errors import DriverError, PathNotFound, WriterBusy
from tests.drivers.s3_backdoor import Backdoor, record_requests, s3_of
from tests.servers.seaweedfs import S3Server

__all__: list[str] = []

MIB = 1024 * 1024


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


async def append(driver: StorageDriver, path: str, *chunks: bytes) -> int:
    async with await driver.open_appender(path) as writer:
        for chunk in chunks:
            await writer.write(chunk)
        return writer.size


async def commit(driver: StorageDriver, path: str) -> None:
    async with await driver.open_appender(path) as writer:
        await writer.commit()


class Foreign:
    """A multipart upload that another program has begun."""

    def __init__(self, backdoor: Backdoor, key: str) -> None:
        self.key = key
        self._door = backdoor
        self.upload_id = backdoor.client.create_multipart_upload(Bucket=backdoor.bucket, Key=key)[
            "UploadId"
        ]

    def send(self, number: int, content: bytes) -> str:
        etag = self._door.client.upload_part(
            Bucket=self._door.bucket,
            Key=self.key,
            UploadId=self.upload_id,
            PartNumber=number,
            Body=content,
        )["ETag"]
        assert isinstance(etag, str)
        return etag

    def abort(self) -> None:
        self._door.client.abort_multipart_upload(
            Bucket=self._door.bucket, Key=self.key, UploadId=self.upload_id
        )


async def test_chunks_of_any_size_are_joined_and_only_tails_are_fetched(
    s3_driver: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    requests = await record_requests(s3_driver)
    async with await s3_driver.open_appender("/up/data", create=True):
        pass
    content = b""
    fetches = 0
    last_part = 0
    for seed, size in enumerate([1, 4, 5, 7, 11, 3, 1, 2]):
        chunk = noise(seed, size * MIB + seed)
        content += chunk
        fetches += 0 < last_part < 5 * MIB
        # What is left when the parts of 8 MiB are full.
        gathered = len(chunk) + (last_part if last_part < 5 * MIB else 0)
        last_part = gathered % (8 * MIB)
        assert await append(s3_driver, "/up/data", chunk[:1000], chunk[1000:]) == len(content)
        assert (await s3_driver.stat_upload("/up/data")).size == len(content)
        kept = await backdoor.keys(prefix)
        assert kept == ({"/up/data~tail"} if last_part < 5 * MIB else set())
    assert fetches == 3
    assert requests.count("GetObject") == fetches
    assert "UploadPartCopy" not in requests
    await commit(s3_driver, "/up/data")
    assert await backdoor.read(f"{prefix}/up/data") == content
    assert await backdoor.everything(prefix) == {"/up/data"}


async def test_an_upload_without_its_tail_is_completed_and_gone_on_with(
    s3_driver: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    requests = await record_requests(s3_driver)
    first, second = noise(1, 6 * MIB), noise(2, 100)
    foreign = Foreign(backdoor, f"{prefix}/up/data")
    foreign.send(1, first)
    foreign.send(2, second)
    assert (await s3_driver.stat_upload("/up/data")).size == len(first + second)
    assert await append(s3_driver, "/up/data", b"third") == len(first + second) + 5
    assert "UploadPartCopy" in requests
    assert "GetObject" not in requests[requests.index("UploadPartCopy") :]
    assert await append(s3_driver, "/up/data", b" fourth") == len(first + second) + 12
    await commit(s3_driver, "/up/data")
    assert await backdoor.read(f"{prefix}/up/data") == first + second + b"third fourth"
    assert await backdoor.everything(prefix) == {"/up/data"}


async def test_a_small_upload_without_its_tail_is_completed_and_fetched(
    s3_driver: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    Foreign(backdoor, f"{prefix}/up/data").send(1, b"first")
    assert await append(s3_driver, "/up/data", b" second") == 12
    assert (await s3_driver.stat_upload("/up/data")).size == 12
    await commit(s3_driver, "/up/data")
    assert await backdoor.read(f"{prefix}/up/data") == b"first second"
    assert await backdoor.everything(prefix) == {"/up/data"}


@pytest.mark.parametrize("stale", [b"older", b"another content", b"other"])
async def test_a_tail_that_is_not_the_last_part_is_not_used(
    s3_driver: StorageDriver, backdoor: Backdoor, prefix: str, stale: bytes
) -> None:
    Foreign(backdoor, f"{prefix}/up/data").send(1, b"first")
    await backdoor.write(f"{prefix}/up/data~tail", stale)
    await append(s3_driver, "/up/data", b" second")
    await commit(s3_driver, "/up/data")
    assert await backdoor.read(f"{prefix}/up/data") == b"first second"
    assert await backdoor.everything(prefix) == {"/up/data"}


async def test_a_tail_is_known_by_its_part_where_etags_are_no_digests(
    s3_driver: StorageDriver,
) -> None:
    connection = s3_of(s3_driver)._connection
    part = Part(number=1, etag='"0123-of-the-store"', size=4)
    await put_tail(connection, "/a", PartBody(b"tail"))
    assert await get_tail(connection, "/a", part) is None
    await put_tail(connection, "/a", PartBody(b"tail"), part)
    assert await get_tail(connection, "/a", part) == b"tail"


async def test_a_part_behind_a_gap_does_not_count(
    s3_driver: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    first = noise(1, 5 * MIB)
    foreign = Foreign(backdoor, f"{prefix}/up/data")
    foreign.send(1, first)
    foreign.send(3, noise(3, 5 * MIB))
    assert (await s3_driver.stat_upload("/up/data")).size == len(first)
    second = noise(2, 5 * MIB)
    assert await append(s3_driver, "/up/data", second) == len(first + second)
    assert (await s3_driver.stat_upload("/up/data")).size == len(first + second)
    await commit(s3_driver, "/up/data")
    assert await backdoor.read(f"{prefix}/up/data") == first + second


async def test_parts_without_the_first_one_do_not_count(
    s3_driver: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    Foreign(backdoor, f"{prefix}/up/data").send(2, noise(3, 5 * MIB))
    assert (await s3_driver.stat_upload("/up/data")).size == 0
    first = noise(1, 5 * MIB)
    await append(s3_driver, "/up/data", first)
    await append(s3_driver, "/up/data", b"more")
    await commit(s3_driver, "/up/data")
    assert await backdoor.read(f"{prefix}/up/data") == first + b"more"
    assert await backdoor.everything(prefix) == {"/up/data"}


async def test_an_object_is_gone_on_with_although_its_copy_was_not_finished(
    s3_driver: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    content = noise(1, 12 * MIB)
    await backdoor.write(f"{prefix}/up/data", content)
    Foreign(backdoor, f"{prefix}/up/data").send(1, content[: 5 * MIB])
    assert (await s3_driver.stat_upload("/up/data")).size == len(content)
    await append(s3_driver, "/up/data", b"more")
    assert (await s3_driver.stat_upload("/up/data")).size == len(content) + 4
    await commit(s3_driver, "/up/data")
    assert await backdoor.read(f"{prefix}/up/data") == content + b"more"
    await s3_driver.delete("/up")
    assert await backdoor.everything(prefix) == set()


async def test_of_several_uploads_the_larger_one_is_gone_on_with(
    s3_driver: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    for content in (b"", b"the longest of them", b"short"):
        Foreign(backdoor, f"{prefix}/up/data").send(1, content)
    await append(s3_driver, "/up/data", b" all")
    await commit(s3_driver, "/up/data")
    assert await backdoor.read(f"{prefix}/up/data") == b"the longest of them all"
    await s3_driver.delete("/up")
    assert await backdoor.everything(prefix) == set()


async def test_an_appender_that_has_lost_its_claim_writes_no_more(
    s3_driver: StorageDriver,
    backdoor: Backdoor,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "_RENEWAL_SECONDS", 0.05)
    writer = await s3_driver.open_appender("/up/data", create=True)
    await writer.write(b"kept back")
    await backdoor.write(f"{prefix}/up/data~claim", b"of another one")
    await sleep(0.5)
    with pytest.raises(WriterBusy):
        await writer.commit()
    with pytest.raises(WriterBusy):
        await writer.aclose()
    assert await backdoor.read(f"{prefix}/up/data~claim") == b"of another one"
    assert (await s3_driver.stat_upload("/up/data")).size == 0
    await s3_driver.delete("/up/data")


async def test_the_claim_of_a_dead_process_ends(
    s3_driver: StorageDriver,
    backdoor: Backdoor,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await backdoor.write(f"{prefix}/up/data~claim", b"of a dead one")
    with pytest.raises(WriterBusy):
        await s3_driver.open_appender("/up/data", create=True)
    monkeypatch.setattr(claims, "LIFETIME_SECONDS", 1)
    await sleep(2.1)
    async with await s3_driver.open_appender("/up/data", create=True) as writer:
        await writer.cancel()
    assert await backdoor.everything(prefix) == set()


async def test_a_living_process_keeps_its_claim(
    s3_driver: StorageDriver, backdoor: Backdoor, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_RENEWAL_SECONDS", 0.05)
    async with await s3_driver.open_appender("/up/data", create=True) as writer:
        first = await backdoor.read(f"{prefix}/up/data~claim")
        await sleep(0.5)
        assert await backdoor.read(f"{prefix}/up/data~claim") != first
        await writer.write(b"still mine")
        await writer.commit()
    assert await backdoor.everything(prefix) == {"/up/data"}


@pytest.fixture
async def plain_driver(seaweedfs: S3Server, prefix: str) -> AsyncIterator[StorageDriver]:
    settings = seaweedfs.settings(root_prefix=prefix, conditional_writes=False)
    driver = create_driver("s3", settings)
    yield driver
    await driver.aclose()


async def test_claims_hold_without_conditional_writes_too(
    plain_driver: StorageDriver, backdoor: Backdoor, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_RENEWAL_SECONDS", 0.05)
    async with await plain_driver.open_appender("/a", create=True) as writer:
        await sleep(0.3)
        with pytest.raises(WriterBusy):
            await plain_driver.open_appender("/a")
        await writer.write(b"content")
        await writer.commit()
    assert await backdoor.everything(prefix) == {"/a"}


async def test_a_rival_that_overwrote_a_part_is_not_published(moto: S3Server, prefix: str) -> None:
    # SeaweedFS keeps every version of a part, and would publish the right one.
    driver = create_driver("s3", moto.settings(root_prefix=prefix))
    backdoor = Backdoor(moto)
    writer = await driver.open_appender("/up/data", create=True)
    await writer.write(noise(1, 11 * MIB))
    for key, upload_id in await backdoor.uploads(prefix):
        # The first part is still on its way, and has to be there to be overwritten.
        while not backdoor.client.list_parts(  # noqa: ASYNC110 - only the store knows
            Bucket=backdoor.bucket, Key=prefix + key, UploadId=upload_id
        ).get("Parts"):
            await sleep(0.1)
        backdoor.client.upload_part(
            Bucket=backdoor.bucket,
            Key=prefix + key,
            UploadId=upload_id,
            PartNumber=1,
            Body=noise(2, 8 * MIB),
        )
    with pytest.raises(DriverError, match="InvalidPart"):
        await writer.commit()
    assert await backdoor.read(f"{prefix}/up/data") is None
    await writer.cancel()
    assert await backdoor.everything(prefix) == set()
    await driver.aclose()


async def test_unfinished_uploads_are_listed_and_discarded(
    s3_driver: StorageDriver, backdoor: Backdoor, prefix: str
) -> None:
    async with await s3_driver.open_appender("/up/one", create=True) as appender:
        await appender.write(b"tail")
    writer = await s3_driver.open_writer("/blobs/two")
    await writer.write(bytes(20 * MIB))
    await writer.write(b"more")
    Foreign(backdoor, f"{prefix}/up-beside")
    await sleep(1)
    found = {item.path: item async for item in s3_driver.list_unfinished("/")}
    assert set(found) == {"/up/one", "/blobs/two", "/up-beside"}
    assert found["/up/one"].size == 4
    assert found["/blobs/two"].size % (8 * MIB) == 0
    assert [item.path async for item in s3_driver.list_unfinished("/up")] == ["/up/one"]
    for item in found.values():
        await s3_driver.discard(item)
        with pytest.raises(PathNotFound):
            await s3_driver.discard(item)
    with pytest.raises(PathNotFound):
        await writer.commit()
    await writer.aclose()
    assert await backdoor.everything(prefix) == set()
