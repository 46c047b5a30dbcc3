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
from core.storage import BLOCK_BYTES, Registry, Repository, paths
from core.storage.small_bodies import SMALL_BYTES
from tests.faulty import Call, Crash, FaultyDriver, fails_at
from tests.storage.pushing import R, all_files, assert_whole, read_layer, stream

__all__: list[str] = []

SMALL = b"content" * 1000
LARGE = b"content" * (SMALL_BYTES // 4)
OTHER = Digest.of(b"other")


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def content(request: pytest.FixtureRequest) -> bytes:
    """Content that goes either way: what is small is stored in one call."""
    assert isinstance(request.param, bytes)
    return request.param


async def breaking(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    raise ConnectionError("the client hung up")


async def start(repository: Repository) -> str:
    async with await repository.layers.upload() as upload:
        return upload.upload_id


# In one request.


@pytest.mark.parametrize("content", [b"", b"x", b"x" * (BLOCK_BYTES * 2 + 5)])
async def test_a_blob_pushed_in_one_leaves_nothing_but_itself(
    driver: StorageDriver, repository: Repository, content: bytes
) -> None:
    digest = Digest.of(content)
    layer = await repository.layers.push(stream(content[:10], content[10:]), digest)
    assert (layer.digest, layer.size) == (digest, len(content))
    assert await read_layer(repository, digest) == content
    assert len(await all_files(driver)) == 2
    await assert_whole(driver)


async def test_a_blob_can_be_pushed_by_another_algorithm(
    repository: Repository, content: bytes
) -> None:
    digest = Digest.of(content, SHA512)
    await repository.layers.push(stream(content), digest)
    assert await read_layer(repository, digest) == content


@pytest.mark.parametrize(
    ("make_chunks", "more", "fault"),
    [
        (lambda content: stream(content[::-1]), None, DigestMismatch),
        (lambda content: stream(content[:-1]), None, DigestMismatch),
        (lambda _: stream(), None, DigestMismatch),
        (stream, -1, SizeInvalid),
        (stream, 1, SizeInvalid),
        (breaking, None, ConnectionError),
    ],
    ids=["other", "short", "empty", "too long", "too short", "broken off"],
)
async def test_what_is_not_the_content_of_its_digest_leaves_nothing(
    driver: StorageDriver,
    repository: Repository,
    make_chunks: Callable[[bytes], AsyncIterator[bytes]],
    more: int | None,
    fault: type[Exception],
    content: bytes,
) -> None:
    size = None if more is None else len(content) + more
    with pytest.raises(fault):
        await repository.layers.push(make_chunks(content), Digest.of(content), size)
    assert not await all_files(driver)


async def test_a_push_that_is_cancelled_midway_leaves_nothing(
    driver: StorageDriver, repository: Repository, content: bytes
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * BLOCK_BYTES
            await checkpoint()
            if len(sent) == 3:
                scope.cancel()
            sent.append(1)

    sent: list[int] = []
    with CancelScope() as scope:
        await repository.layers.push(endless(), Digest.of(content))
    assert scope.cancelled_caught
    assert not await all_files(driver)


async def test_two_pushes_of_one_blob_at_once_both_succeed(
    driver: StorageDriver, repository: Repository, content: bytes
) -> None:
    async with create_task_group() as tasks:
        for name in range(4):
            parts = (content[:name], content[name:])
            tasks.start_soon(repository.layers.push, stream(*parts), Digest.of(content))
    assert await read_layer(repository, Digest.of(content)) == content
    assert len(await all_files(driver)) == 2


@pytest.mark.parametrize("fault", [Crash, lambda: DriverUnavailable("/x", "gone")])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_push_in_one_that_is_interrupted_anywhere_can_be_repeated(
    driver: StorageDriver, fault: Callable[[], BaseException], moment: str, content: bytes
) -> None:
    for number in range(20):
        faulty = FaultyDriver(driver, fails_at(number, moment, fault))
        repository = Registry(faulty).repository(R)
        try:
            await repository.layers.push(stream(content), Digest.of(content))
        except (Crash, DriverUnavailable, BaseExceptionGroup):
            await assert_whole(driver)
        else:
            assert number > 1
            break
        healthy = Registry(driver).repository(R)
        await healthy.layers.push(stream(content), Digest.of(content))
        assert await read_layer(healthy, Digest.of(content)) == content
        await healthy.layers.delete(Digest.of(content))


# With the whole content in the request that ends an upload.


async def test_the_end_may_bring_the_whole_content(
    driver: StorageDriver, repository: Repository, content: bytes
) -> None:
    async with await repository.layers.resume(await start(repository)) as upload:
        layer = await upload.finish_with(
            stream(content), Digest.of(content), start=0, size=len(content)
        )
    assert layer.size == len(content)
    assert await read_layer(repository, Digest.of(content)) == content
    assert not [path for path in await all_files(driver) if "/_uploads/" in path]
    await assert_whole(driver)


async def test_in_a_flat_store_the_whole_content_is_not_copied(
    driver: StorageDriver, content: bytes
) -> None:
    faulty = FaultyDriver(driver)
    repository = Registry(faulty).repository(R)
    async with await repository.layers.resume(await start(repository)) as upload:
        await upload.finish_with(stream(content), Digest.of(content))
    methods = {call.partition(" ")[0] for call in faulty.calls}
    assert "copy" not in methods
    assert ("move" in methods) is not driver.flat


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("fault", [Crash, lambda: DriverUnavailable("/x", "told to fail")])
async def test_an_end_that_is_interrupted_anywhere_publishes_all_or_nothing_and_can_be_repeated(
    driver: StorageDriver, fault: Callable[[], BaseException], moment: str, content: bytes
) -> None:
    healthy = Registry(driver).repository(R)
    digest = Digest.of(content)
    for number in range(40):
        upload_id = await start(healthy)
        faulty = Registry(FaultyDriver(driver, fails_at(number, moment, fault))).repository(R)
        acknowledged = True
        try:
            async with await faulty.layers.resume(upload_id) as upload:
                await upload.finish_with(stream(content), digest)
        except (Crash, DriverUnavailable, UploadUnknown, BaseExceptionGroup):
            acknowledged = False
        await assert_whole(driver)
        if acknowledged or await healthy.layers.exists(digest):
            assert await read_layer(healthy, digest) == content
        async with await healthy.layers.resume(await start(healthy)) as upload:
            await upload.finish_with(stream(content), digest)
        assert await read_layer(healthy, digest) == content
        await driver.delete("/docker")
    assert acknowledged


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_end_that_is_cancelled_anywhere_publishes_all_or_goes_on(
    driver: StorageDriver, moment: str, content: bytes
) -> None:
    healthy = Registry(driver).repository(R)
    digest = Digest.of(content)
    outcomes = set()
    for number in range(20):
        upload_id = await start(healthy)
        with CancelScope() as scope:

            async def cancel(call: Call, number: int = number, scope: CancelScope = scope) -> None:
                if (call.number, call.moment) == (number, moment):
                    scope.cancel()
                    await checkpoint()

            faulty = Registry(FaultyDriver(driver, cancel)).repository(R)
            async with await faulty.layers.resume(upload_id) as upload:
                await upload.finish_with(stream(content), digest)
        await assert_whole(driver)
        outcomes.add(await healthy.layers.exists(digest))
        if not await healthy.layers.exists(digest):
            async with await healthy.layers.resume(upload_id) as upload:
                rest = content[upload.offset :]
                await upload.finish_with(stream(rest), digest, start=upload.offset)
        assert await read_layer(healthy, digest) == content
        assert len(await all_files(driver)) == 2
        await driver.delete("/docker")
    assert outcomes == {True, False}


async def test_an_end_whose_upload_is_ended_by_someone_else_publishes_nothing(
    driver: StorageDriver, repository: Repository, content: bytes
) -> None:
    upload_id = await start(repository)

    async def overtaken() -> AsyncIterator[bytes]:
        yield content
        await driver.delete(paths.upload(R, upload_id))

    if not driver.flat:
        with pytest.raises(UploadUnknown):
            async with await repository.layers.resume(upload_id) as upload:
                await upload.finish_with(overtaken(), Digest.of(content))
        assert not await all_files(driver)


async def test_a_wrong_digest_at_the_end_ends_the_upload(
    driver: StorageDriver, repository: Repository, content: bytes
) -> None:
    upload_id = await start(repository)
    with pytest.raises(DigestMismatch):
        async with await repository.layers.resume(upload_id) as upload:
            await upload.finish_with(stream(content), OTHER)
    with pytest.raises(UploadUnknown):
        await repository.layers.resume(upload_id)
    assert not await all_files(driver)


async def test_an_end_that_breaks_off_leaves_the_upload(
    driver: StorageDriver, repository: Repository, content: bytes
) -> None:
    upload_id = await start(repository)
    with pytest.raises(ConnectionError):
        async with await repository.layers.resume(upload_id) as upload:
            await upload.finish_with(breaking(content[:100]), Digest.of(content))
    async with await repository.layers.resume(upload_id) as upload:
        assert upload.offset == (0 if driver.flat else 100)
        await upload.finish_with(
            stream(content[upload.offset :]), Digest.of(content), start=upload.offset
        )
    assert await read_layer(repository, Digest.of(content)) == content


async def test_an_end_that_starts_elsewhere_is_refused(
    repository: Repository, content: bytes
) -> None:
    upload_id = await start(repository)
    async with await repository.layers.resume(upload_id) as upload:
        with pytest.raises(RangeInvalid):
            await upload.finish_with(stream(content), Digest.of(content), start=7)
        await upload.finish_with(stream(content), Digest.of(content), start=0)


async def test_an_end_of_another_size_leaves_the_upload(
    repository: Repository, content: bytes
) -> None:
    upload_id = await start(repository)
    with pytest.raises(SizeInvalid):
        async with await repository.layers.resume(upload_id) as upload:
            await upload.finish_with(stream(content), Digest.of(content), size=len(content) + 1)
    async with await repository.layers.resume(upload_id):
        pass


async def test_while_the_whole_content_comes_a_second_writer_is_refused(
    repository: Repository, content: bytes
) -> None:
    upload_id = await start(repository)
    begun, go_on = Event(), Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield content[:10]
        begun.set()
        await go_on.wait()
        yield content[10:]

    async def push() -> None:
        async with await repository.layers.resume(upload_id) as upload:
            await upload.finish_with(slowly(), Digest.of(content))

    async with create_task_group() as tasks:
        tasks.start_soon(push)
        await begun.wait()
        async with await repository.layers.resume(upload_id) as second:
            with pytest.raises(UploadBusy):
                await second.finish_with(stream(content), Digest.of(content))
        go_on.set()
    assert await read_layer(repository, Digest.of(content)) == content
