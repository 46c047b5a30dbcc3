"""Uploads of two writers, of streams that fail and over stores that fail."""

from collections.abc import AsyncIterator, Callable

import pytest
from anyio import BrokenResourceError, CancelScope, Event, create_task_group
from anyio.lowlevel import checkpoint

from core.digest import Digest
from core.drivers import StorageDriver
from core.errors import (
    BlobUnknown,
    DriverError,
    DriverUnavailable,
    StorageFull,
    UploadBusy,
    UploadUnknown,
)
from core.storage import BLOCK_BYTES, Registry, Repository
from tests.faulty import Call, Crash, FaultyDriver, FullDriver, failing, fails_at
from tests.storage.pushing import ROOT, R, all_files, assert_whole, push_blob, read_layer, stream

__all__: list[str] = []

CONTENT = b"content"
DIGEST = Digest.of(CONTENT)
UPLOADS = f"{ROOT}/repositories/r/r/_uploads"


async def breaking(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    raise ConnectionError("the client hung up")


# Two writers.


async def test_a_second_writer_is_refused_and_the_first_goes_on(registry: Registry) -> None:
    repository = registry.repository(R)
    async with await repository.layers.upload() as first:
        await first.read_from(stream(b"con"))
        async with await repository.layers.resume(first.upload_id) as second:
            with pytest.raises(UploadBusy) as caught:
                await second.read_from(stream(b"XXXX"))
            with pytest.raises(UploadBusy):
                await second.finish(DIGEST)
        assert caught.value.detail["upload"] == first.upload_id
        await first.read_from(stream(b"tent"))
        await first.finish(DIGEST)
    assert await read_layer(repository, DIGEST) == CONTENT


async def test_a_writer_that_comes_while_another_is_receiving_is_refused_at_once(
    driver: StorageDriver,
) -> None:
    repository = Registry(driver).repository(R)
    started = await repository.layers.upload()
    receiving, refused = Event(), Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"con"
        receiving.set()
        await refused.wait()
        yield b"tent"

    async def first() -> None:
        async with await repository.layers.resume(started.upload_id) as upload:
            await upload.read_from(slow())
            await upload.finish(DIGEST)

    async with create_task_group() as tasks:
        tasks.start_soon(first)
        await receiving.wait()
        async with await Registry(driver).repository(R).layers.resume(started.upload_id) as second:
            with pytest.raises(UploadBusy):
                await second.read_from(stream(b"XXXX"))
        refused.set()
    assert await read_layer(repository, DIGEST) == CONTENT


async def test_one_blob_pushed_by_many_at_once_is_there(driver: StorageDriver) -> None:
    async with create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(push_blob, Registry(driver).repository(R), CONTENT)
    assert await read_layer(Registry(driver).repository(R), DIGEST) == CONTENT
    assert len(await all_files(driver)) == 2


# Streams that fail.


async def test_a_stream_that_fails_midway_keeps_what_came_and_resumes(
    repository: Repository,
) -> None:
    with pytest.raises(ConnectionError, match="hung up"):
        async with await repository.layers.upload() as upload:
            await upload.read_from(breaking(b"c", b"on"))
    async with await repository.layers.resume(upload.upload_id) as resumed:
        assert resumed.offset == 3
        await resumed.read_from(stream(b"tent"))
        await resumed.finish(DIGEST)
    assert await read_layer(repository, DIGEST) == CONTENT


async def test_all_of_a_large_stream_that_failed_is_kept(repository: Repository) -> None:
    chunk = bytes(BLOCK_BYTES // 4 + 1)
    with pytest.raises(ConnectionError):
        async with await repository.layers.upload() as upload:
            await upload.read_from(breaking(*[chunk] * 11))
    assert (await repository.layers.resume(upload.upload_id)).offset == 11 * len(chunk)


async def test_a_stream_that_breaks_is_not_taken_for_one_that_ended(
    repository: Repository,
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"con"
        raise BrokenResourceError

    async with await repository.layers.upload() as upload:
        with pytest.raises(BrokenResourceError):
            await upload.read_from(broken())
        assert upload.offset == 3


async def test_a_cancelled_request_lets_go_of_its_upload(repository: Repository) -> None:
    started = await repository.layers.upload()

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(BLOCK_BYTES)
        scope.cancel()
        await checkpoint()
        yield b"never"

    with CancelScope() as scope:
        async with await repository.layers.resume(started.upload_id) as upload:
            await upload.read_from(endless())
    assert scope.cancelled_caught
    async with await repository.layers.resume(started.upload_id) as upload:
        content = bytes(upload.offset) + b"end"
        assert upload.offset in (0, BLOCK_BYTES)
        await upload.read_from(stream(b"end"))
        await upload.finish(Digest.of(content))


# Stores that fail.


async def test_a_store_that_fails_while_receiving_stops_the_client_and_keeps_the_rest(
    driver: StorageDriver,
) -> None:
    faulty = FaultyDriver(driver)
    repository = Registry(faulty).repository(R)
    received = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal received
        for _ in range(100):
            received += BLOCK_BYTES
            yield bytes(BLOCK_BYTES)

    with pytest.raises(DriverUnavailable):
        async with await repository.layers.upload() as upload:
            await upload.read_from(stream(b"kept"))
            faulty.on_call = failing("writer.write")
            await upload.read_from(counted())
    assert received < 10 * BLOCK_BYTES
    assert (await Registry(driver).repository(R).layers.resume(upload.upload_id)).offset == 4


async def test_a_full_store_refuses_and_publishes_nothing(driver: StorageDriver) -> None:
    full = FullDriver(driver, room=23)
    with pytest.raises(StorageFull):
        await push_blob(Registry(full).repository(R), CONTENT)
    assert not await Registry(driver).repository(R).layers.exists(DIGEST)
    await push_blob(Registry(driver).repository(R), CONTENT)
    assert await read_layer(Registry(driver).repository(R), DIGEST) == CONTENT


async def test_the_first_fault_is_told_although_closing_fails_too(
    driver: StorageDriver,
) -> None:
    faulty = FaultyDriver(driver)
    repository = Registry(faulty).repository(R)
    upload = await repository.layers.upload()

    async def fail_and_lose(call: Call) -> None:
        if call.method == "writer.commit" and call.moment == "before":
            await driver.delete(f"{UPLOADS}/{upload.upload_id}")
            raise DriverUnavailable(call.path, "EIO")

    faulty.on_call = fail_and_lose
    with pytest.raises(DriverUnavailable, match="EIO"):
        async with upload:
            await upload.read_from(stream(CONTENT))
            await upload.finish(DIGEST)


async def count_calls(driver: StorageDriver, content: bytes = CONTENT) -> int:
    faulty = FaultyDriver(driver)
    await push_blob(Registry(faulty).repository(R), content)
    await driver.delete("/docker")
    return len(faulty.calls)


@pytest.mark.parametrize("content", [CONTENT, CONTENT * 20_000], ids=["small", "large"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("fault", [Crash, lambda: DriverUnavailable("/x", "told to fail")])
async def test_a_push_that_is_interrupted_anywhere_publishes_all_or_nothing_and_can_be_retried(
    driver: StorageDriver, moment: str, fault: Callable[[], BaseException], content: bytes
) -> None:
    total = await count_calls(driver, content)
    assert total > 5
    for number in range(total):
        interrupted = Registry(FaultyDriver(driver, fails_at(number, moment, fault)))
        acknowledged = True
        try:
            await push_blob(interrupted.repository(R), content)
        except (DriverError, UploadUnknown):
            acknowledged = False
        except BaseExceptionGroup as group:
            assert group.subgroup(Crash) is not None
            acknowledged = False
        except Crash:
            acknowledged = False
        repository = Registry(driver).repository(R)
        await assert_whole(driver)
        if acknowledged or await repository.layers.exists(Digest.of(content)):
            assert await read_layer(repository, Digest.of(content)) == content
        await push_blob(repository, content)
        assert await read_layer(repository, Digest.of(content)) == content
        await driver.delete("/docker")


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_upload_that_is_cancelled_anywhere_in_finish_is_finished_or_goes_on(
    driver: StorageDriver, moment: str
) -> None:
    total = await count_calls(driver)
    outcomes = set()
    for number in range(total):
        scope = CancelScope()

        async def cancel(call: Call, number: int = number, scope: CancelScope = scope) -> None:
            if (call.number, call.moment) == (number, moment):
                scope.cancel()
                await checkpoint()

        started = await Registry(driver).repository(R).layers.upload()
        async with await Registry(driver).repository(R).layers.resume(started.upload_id) as upload:
            await upload.read_from(stream(CONTENT))
        faulty = FaultyDriver(driver, cancel)
        with scope:
            async with (
                await Registry(faulty).repository(R).layers.resume(started.upload_id) as upload
            ):
                await upload.finish(DIGEST)
        await assert_whole(driver)
        repository = Registry(driver).repository(R)
        if await repository.layers.exists(DIGEST):
            outcomes.add("finished")
            assert await read_layer(repository, DIGEST) == CONTENT
            assert len(await all_files(driver)) == 2
        else:
            outcomes.add("goes on")
            with pytest.raises(BlobUnknown):
                await repository.layers.fetch(DIGEST)
            async with await repository.layers.resume(started.upload_id) as upload:
                await upload.finish(DIGEST)
            assert await read_layer(repository, DIGEST) == CONTENT
        await driver.delete("/docker")
    assert outcomes == {"finished", "goes on"}
