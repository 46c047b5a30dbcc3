"""Blobs whose digest is known before they come: pushed in one request, or as the end of none."""

from collections.abc import AsyncIterator, Callable

import pytest
from anyio import CancelScope, Event, create_task_group
from anyio.lowlevel import checkpoint

from core.digest import SHA512, Digest
from core.drivers import StorageDriver
from core.errors import (
    DigestMismatch,
    DriverUnavailable,
    RangeInvalid,
    SizeInvalid,
    UploadBusy,
    UploadUnknown,
)
from core.storage import CHUNK_BYTES, Registry, Repository
from tests.faulty import Crash, FaultyDriver, fails_at
from tests.storage.pushing import R, all_files, assert_whole, read_layer, stream

__all__: list[str] = []

CONTENT = b"content" * 1000
DIGEST = Digest.of(CONTENT)
OTHER = Digest.of(b"other")


async def breaking(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    raise ConnectionError("the client hung up")


async def start(repository: Repository) -> str:
    async with await repository.layers.upload() as upload:
        return upload.upload_id


# In one request.


@pytest.mark.parametrize("content", [b"", b"x", b"x" * (CHUNK_BYTES * 2 + 5)])
async def test_a_blob_pushed_in_one_leaves_nothing_but_itself(
    driver: StorageDriver, repository: Repository, content: bytes
) -> None:
    digest = Digest.of(content)
    layer = await repository.layers.push(stream(content[:10], content[10:]), digest)
    assert (layer.digest, layer.size) == (digest, len(content))
    assert await read_layer(repository, digest) == content
    assert len(await all_files(driver)) == 2
    await assert_whole(driver)


async def test_a_blob_can_be_pushed_by_another_algorithm(repository: Repository) -> None:
    digest = Digest.of(CONTENT, SHA512)
    await repository.layers.push(stream(CONTENT), digest)
    assert await read_layer(repository, digest) == CONTENT


@pytest.mark.parametrize(
    ("make_chunks", "size", "fault"),
    [
        (lambda: stream(b"other"), None, DigestMismatch),
        (lambda: stream(CONTENT), len(CONTENT) - 1, SizeInvalid),
        (lambda: stream(CONTENT), len(CONTENT) + 1, SizeInvalid),
        (stream, None, DigestMismatch),
        (lambda: breaking(CONTENT), None, ConnectionError),
    ],
)
async def test_what_is_not_the_content_of_its_digest_leaves_nothing(
    driver: StorageDriver,
    repository: Repository,
    make_chunks: Callable[[], AsyncIterator[bytes]],
    size: int | None,
    fault: type[Exception],
) -> None:
    with pytest.raises(fault):
        await repository.layers.push(make_chunks(), DIGEST, size)
    assert not await all_files(driver)


async def test_a_push_that_is_cancelled_midway_leaves_nothing(
    driver: StorageDriver, repository: Repository
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * CHUNK_BYTES
            await checkpoint()
            if len(sent) == 3:
                scope.cancel()
            sent.append(1)

    sent: list[int] = []
    with CancelScope() as scope:
        await repository.layers.push(endless(), DIGEST)
    assert scope.cancelled_caught
    assert not await all_files(driver)


async def test_two_pushes_of_one_blob_at_once_both_succeed(
    driver: StorageDriver, repository: Repository
) -> None:
    async with create_task_group() as tasks:
        for name in range(4):
            parts = (CONTENT[:name], CONTENT[name:])
            tasks.start_soon(repository.layers.push, stream(*parts), DIGEST)
    assert await read_layer(repository, DIGEST) == CONTENT
    assert len(await all_files(driver)) == 2


@pytest.mark.parametrize("fault", [Crash, lambda: DriverUnavailable("/x", "gone")])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_push_in_one_that_is_interrupted_anywhere_can_be_repeated(
    driver: StorageDriver, fault: Callable[[], BaseException], moment: str
) -> None:
    for number in range(20):
        faulty = FaultyDriver(driver, fails_at(number, moment, fault))
        repository = Registry(faulty).repository(R)
        try:
            await repository.layers.push(stream(CONTENT), DIGEST)
        except (Crash, DriverUnavailable, BaseExceptionGroup):
            await assert_whole(driver)
        else:
            assert number > 2
            break
        healthy = Registry(driver).repository(R)
        await healthy.layers.push(stream(CONTENT), DIGEST)
        assert await read_layer(healthy, DIGEST) == CONTENT
        await healthy.layers.delete(DIGEST)


# With the whole content in the request that ends an upload.


async def test_the_end_may_bring_the_whole_content(
    driver: StorageDriver, repository: Repository
) -> None:
    async with await repository.layers.resume(await start(repository)) as upload:
        layer = await upload.finish_with(stream(CONTENT), DIGEST, start=0, size=len(CONTENT))
    assert layer.size == len(CONTENT)
    assert await read_layer(repository, DIGEST) == CONTENT
    assert not [path for path in await all_files(driver) if "/_uploads/" in path]
    await assert_whole(driver)


async def test_in_a_flat_store_the_whole_content_is_not_copied(driver: StorageDriver) -> None:
    faulty = FaultyDriver(driver)
    repository = Registry(faulty).repository(R)
    async with await repository.layers.resume(await start(repository)) as upload:
        await upload.finish_with(stream(CONTENT), DIGEST)
    methods = {call.partition(" ")[0] for call in faulty.calls}
    assert "copy" not in methods
    assert ("move" in methods) is not driver.flat


async def test_a_wrong_digest_at_the_end_ends_the_upload(
    driver: StorageDriver, repository: Repository
) -> None:
    upload_id = await start(repository)
    with pytest.raises(DigestMismatch):
        async with await repository.layers.resume(upload_id) as upload:
            await upload.finish_with(stream(CONTENT), OTHER)
    with pytest.raises(UploadUnknown):
        await repository.layers.resume(upload_id)
    assert not await all_files(driver)


async def test_an_end_that_breaks_off_leaves_the_upload(
    driver: StorageDriver, repository: Repository
) -> None:
    upload_id = await start(repository)
    with pytest.raises(ConnectionError):
        async with await repository.layers.resume(upload_id) as upload:
            await upload.finish_with(breaking(CONTENT[:100]), DIGEST)
    async with await repository.layers.resume(upload_id) as upload:
        assert upload.offset == (0 if driver.flat else 100)
        await upload.finish_with(stream(CONTENT[upload.offset :]), DIGEST, start=upload.offset)
    assert await read_layer(repository, DIGEST) == CONTENT


async def test_an_end_that_starts_elsewhere_is_refused(repository: Repository) -> None:
    upload_id = await start(repository)
    async with await repository.layers.resume(upload_id) as upload:
        with pytest.raises(RangeInvalid):
            await upload.finish_with(stream(CONTENT), DIGEST, start=7)
        await upload.finish_with(stream(CONTENT), DIGEST, start=0)


async def test_an_end_of_another_size_leaves_the_upload(repository: Repository) -> None:
    upload_id = await start(repository)
    with pytest.raises(SizeInvalid):
        async with await repository.layers.resume(upload_id) as upload:
            await upload.finish_with(stream(CONTENT), DIGEST, size=len(CONTENT) + 1)
    async with await repository.layers.resume(upload_id):
        pass


async def test_while_the_whole_content_comes_a_second_writer_is_refused(
    repository: Repository,
) -> None:
    upload_id = await start(repository)
    begun, go_on = Event(), Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield CONTENT[:10]
        begun.set()
        await go_on.wait()
        yield CONTENT[10:]

    async def push() -> None:
        async with await repository.layers.resume(upload_id) as upload:
            await upload.finish_with(slowly(), DIGEST)

    async with create_task_group() as tasks:
        tasks.start_soon(push)
        await begun.wait()
        async with await repository.layers.resume(upload_id) as second:
            with pytest.raises(UploadBusy):
                await second.finish_with(stream(CONTENT), DIGEST)
        go_on.set()
    assert await read_layer(repository, DIGEST) == CONTENT
