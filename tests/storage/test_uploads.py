"""Uploads: received in chunks, resumed anywhere, verified before anything can be read."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from core.digest import EMPTY_DIGESTS, EMPTY_TAR_DIGESTS, SHA256, SHA512, Digest
from core.drivers import StorageDriver
from core.errors import (
    DigestMismatch,
    DriverError,
    RangeInvalid,
    SizeInvalid,
    StorageFull,
    UploadUnknown,
)
from core.storage import BLOCK_BYTES, Registry, Repository, RepositoryName
from tests.faulty import FaultyDriver, FullDriver
from tests.storage.pushing import ROOT, R, all_files, assert_whole, push_blob, read_layer, stream

__all__: list[str] = []

NEVER = "9ce6b9b0-3611-4745-8b8d-d1f90f754ea1"
CONTENT = b"content"
DIGEST = Digest.of(CONTENT)
UPLOADS = f"{ROOT}/repositories/r/r/_uploads"


# Start, resume, end.


async def test_an_upload_starts_with_two_files(
    driver: StorageDriver, repository: Repository
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    upload = await repository.layers.upload()
    assert upload.offset == 0
    assert upload.started_at is not None
    assert before <= upload.started_at <= before + timedelta(seconds=5)
    assert upload.started_at.tzinfo is UTC
    assert str(uuid.UUID(upload.upload_id)) == upload.upload_id
    assert await all_files(driver) == {
        f"{UPLOADS}/{upload.upload_id}/data": b"",
        f"{UPLOADS}/{upload.upload_id}/startedat": upload.started_at.strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ).encode(),
    }


async def test_an_upload_is_resumed_by_another_registry_over_the_same_store(
    driver: StorageDriver,
) -> None:
    one = Registry(driver).repository(R)
    async with await one.layers.upload() as started:
        assert await started.read_from(stream(b"con")) == 3
    two = Registry(driver).repository(R)
    async with await two.layers.resume(started.upload_id) as upload:
        assert upload.offset == 3
        assert upload.started_at == started.started_at
        assert await upload.read_from(stream(b"te"), start=3) == 2
        assert upload.offset == 5
    three = Registry(driver).repository(R)
    async with await three.layers.resume(started.upload_id) as upload:
        assert await upload.read_from(stream(b"nt")) == 2
        layer = await upload.finish(DIGEST)
    assert (layer.digest, layer.size) == (DIGEST, 7)
    assert await read_layer(one, DIGEST) == CONTENT


async def test_an_upload_of_another_repository_is_unknown(registry: Registry) -> None:
    upload = await registry.repository(R).layers.upload()
    with pytest.raises(UploadUnknown) as caught:
        await registry.repository(RepositoryName("s")).layers.resume(upload.upload_id)
    assert caught.value.detail == {"upload": upload.upload_id, "name": "s"}


@pytest.mark.parametrize(
    "upload_id",
    ["", "x", "..", "../..", NEVER, NEVER.upper(), NEVER.replace("-", ""), "a/b"],
)
async def test_an_upload_that_was_never_started_is_unknown(
    repository: Repository, upload_id: str
) -> None:
    with pytest.raises(UploadUnknown):
        await repository.layers.resume(upload_id)


@pytest.mark.parametrize("file", ["data", "startedat", ""])
async def test_an_upload_whose_files_are_gone_is_unknown(
    driver: StorageDriver, repository: Repository, file: str
) -> None:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(CONTENT))
    await driver.delete(f"{UPLOADS}/{upload.upload_id}/{file}".rstrip("/"))
    with pytest.raises(UploadUnknown):
        await repository.layers.resume(upload.upload_id)


@pytest.mark.parametrize("content", [b"", b"yesterday", b"\xff", b"2026-13-40T00:00:00Z"])
async def test_an_upload_whose_start_is_damaged_is_unknown(
    driver: StorageDriver, repository: Repository, content: bytes
) -> None:
    upload = await repository.layers.upload()
    await driver.put(f"{UPLOADS}/{upload.upload_id}/startedat", content)
    with pytest.raises(UploadUnknown):
        await repository.layers.resume(upload.upload_id)


async def test_an_upload_whose_data_goes_while_it_is_written_is_unknown(
    driver: StorageDriver, repository: Repository
) -> None:
    with pytest.raises(UploadUnknown):
        async with await repository.layers.upload() as upload:
            await upload.read_from(stream(b"con"))
            await driver.delete(f"{UPLOADS}/{upload.upload_id}")
            await upload.finish(DIGEST)
    assert await all_files(driver) == {}


async def test_the_resources_of_an_upload_are_removed_when_it_is_finished(
    driver: StorageDriver, repository: Repository
) -> None:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(CONTENT))
        await upload.finish(DIGEST)
    assert [path for path in await all_files(driver) if "_uploads" in path] == []
    with pytest.raises(UploadUnknown):
        await repository.layers.resume(upload.upload_id)


async def test_the_resources_of_an_upload_are_removed_when_it_is_cancelled(
    driver: StorageDriver, repository: Repository
) -> None:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(CONTENT))
        await upload.cancel()
        await upload.cancel()
    assert await all_files(driver) == {}
    with pytest.raises(UploadUnknown):
        await repository.layers.resume(upload.upload_id)


async def test_an_upload_is_cancelled_by_another_registry(driver: StorageDriver) -> None:
    started = await Registry(driver).repository(R).layers.upload()
    async with await Registry(driver).repository(R).layers.resume(started.upload_id) as upload:
        await upload.cancel()
    assert await all_files(driver) == {}


# What can be uploaded.


@pytest.mark.parametrize("content", [b"", bytes(1024)])
async def test_an_empty_blob_and_an_empty_archive_are_blobs(
    repository: Repository, content: bytes
) -> None:
    digest = await push_blob(repository, content)
    assert digest in EMPTY_DIGESTS | EMPTY_TAR_DIGESTS
    assert await read_layer(repository, digest) == content


async def test_an_upload_without_any_chunk_is_the_empty_blob(repository: Repository) -> None:
    digest = Digest.of(b"")
    async with await repository.layers.upload() as upload:
        assert (await upload.finish(digest, 0)).size == 0
    assert await read_layer(repository, digest) == b""


async def test_small_chunks_are_stored_in_large_blocks(
    driver: StorageDriver,
) -> None:
    faulty = FaultyDriver(driver)
    repository = Registry(faulty).repository(R)
    chunk = bytes(10_000)
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(*[chunk] * 300))
    written = [call for call in faulty.calls if call.startswith("writer.write")]
    assert len(written) == -(-3_000_000 // BLOCK_BYTES)


@pytest.mark.parametrize("algorithm", [SHA256, SHA512])
async def test_the_digest_at_the_end_may_be_of_another_algorithm(
    repository: Repository, algorithm: object
) -> None:
    digest = Digest.of(CONTENT, SHA512 if algorithm is SHA256 else SHA256)
    async with await repository.layers.upload(algorithm) as upload:  # type: ignore[arg-type]
        await upload.read_from(stream(CONTENT))
        await upload.finish(digest)
    assert await read_layer(repository, digest) == CONTENT


async def test_content_that_came_through_one_hand_is_not_read_again(
    driver: StorageDriver,
) -> None:
    faulty = FaultyDriver(driver)
    await push_blob(Registry(faulty).repository(R), CONTENT)
    assert [call for call in faulty.calls if call.startswith("open_reader")] == []


# Sizes and offsets.


async def test_the_size_is_optional_and_right(repository: Repository) -> None:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(CONTENT), size=7)
        await upload.finish(DIGEST, 7)
    assert await repository.layers.exists(DIGEST)


@pytest.mark.parametrize("size", [0, 6, 8])
async def test_a_wrong_size_at_the_end_is_refused_and_the_upload_goes_on(
    repository: Repository, size: int
) -> None:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(CONTENT))
        with pytest.raises(SizeInvalid) as caught:
            await upload.finish(DIGEST, size)
        assert caught.value.detail["expected"] == size
        assert caught.value.detail["actual"] == 7
    assert not await repository.layers.exists(DIGEST)
    async with await repository.layers.resume(upload.upload_id) as upload:
        await upload.finish(DIGEST)
    assert await repository.layers.exists(DIGEST)


async def test_a_chunk_that_is_too_short_is_refused_and_kept(repository: Repository) -> None:
    async with await repository.layers.upload() as upload:
        with pytest.raises(SizeInvalid):
            await upload.read_from(stream(b"con"), size=4)
        assert upload.offset == 3


async def test_nothing_beyond_the_size_of_a_chunk_is_kept(repository: Repository) -> None:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(b"con"))
        with pytest.raises(SizeInvalid):
            await upload.read_from(stream(b"tent", b"and more"), size=4)
        assert 3 <= upload.offset <= 7
    again = await repository.layers.resume(upload.upload_id)
    assert again.offset == upload.offset


@pytest.mark.parametrize("start", [0, 2, 4, 100])
async def test_a_chunk_that_does_not_start_at_the_end_adds_nothing(
    repository: Repository, start: int
) -> None:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(b"con"), start=0)
        with pytest.raises(RangeInvalid) as caught:
            await upload.read_from(stream(b"tent"), start=start)
        assert caught.value.offset == 3
        assert upload.offset == 3
        await upload.read_from(stream(b"tent"), start=3)
        await upload.finish(DIGEST)
    assert await read_layer(repository, DIGEST) == CONTENT


# What must not be published.


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("content", [b"", b"contenT", b"content "])
async def test_a_wrong_digest_ends_the_upload_and_leaves_nothing(
    driver: StorageDriver, repository: Repository, content: bytes, resumed: bool
) -> None:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(content))
        if resumed:
            await upload.aclose()
            upload = await repository.layers.resume(upload.upload_id)
        with pytest.raises(DigestMismatch) as caught:
            await upload.finish(DIGEST)
    assert caught.value.detail["expected"] == str(DIGEST)
    assert caught.value.detail["actual"] == str(Digest.of(content))
    assert await all_files(driver) == {}


async def test_a_finished_upload_takes_no_more(
    driver: StorageDriver, repository: Repository
) -> None:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(CONTENT))
        await upload.finish(DIGEST)
        with pytest.raises((DriverError, UploadUnknown)):
            await upload.read_from(stream(b"more"))
    assert await read_layer(repository, DIGEST) == CONTENT
    await assert_whole(driver)


async def test_a_block_whose_write_failed_midway_is_not_in_the_digest(
    driver: StorageDriver,
) -> None:
    full = FullDriver(driver, room=24)
    repository = Registry(full).repository(R)
    sent = b"what was sent at first"
    async with await repository.layers.upload() as upload:
        full.room = 4
        with pytest.raises(StorageFull):
            await upload.read_from(stream(sent))
        assert upload.offset == 4
        full.room = 10_000
        await upload.read_from(stream(b" came in its place"))
        assert upload.offset == len(sent)
        with pytest.raises(DigestMismatch):
            await upload.finish(Digest.of(sent))
    await assert_whole(driver)
