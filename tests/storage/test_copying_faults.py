"""A copy amid crashes, faults and company: consistent at every moment, and repeatable."""

import gc
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from core.digest import SHA256, Digest
from core.drivers import StorageDriver
from core.errors import DriverUnavailable, StorageFull
from core.storage import Registry, Tag, paths
from tests.faulty import Call, Crash, FaultyDriver, failing, fails_at
from tests.storage.copies import (
    WRITES,
    A,
    assert_pullable,
    copy,
    fill,
    make_driver,
    memory,
    subjects,
)
from tests.storage.pushing import all_files, assert_whole, image, index, push_blob, push_image

__all__: list[str] = []

pytestmark = pytest.mark.timeout(120)


async def test_at_no_moment_does_the_destination_have_a_link_to_nothing() -> None:
    source, inside = memory(), memory()
    await fill(source)
    moments = 0

    async def look(call: Call) -> None:
        nonlocal moments
        if call.moment == "after" and call.method in WRITES:
            moments += 1
            await assert_pullable(inside)

    await copy(source, FaultyDriver(inside, look))
    assert moments >= len(await all_files(source))


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_a_copy_that_crashed_at_any_moment_leaves_it_consistent_and_can_be_repeated(
    concurrency: int,
) -> None:
    source = memory()
    await fill(source)
    expected = await all_files(source)
    counting = FaultyDriver(memory())
    await copy(source, counting, concurrency=concurrency)
    for number in range(len(counting.calls)):
        for moment in ("before", "after"):
            inside = memory()
            crashing = FaultyDriver(inside, fails_at(number, moment, Crash))
            try:
                await copy(source, crashing, concurrency=concurrency)
            except* Crash:
                pass
            else:
                # A call that finds nothing has no moment after it.
                assert moment == "after"
                assert crashing.calls[number].startswith(("stat", "get"))
            await assert_pullable(inside)
            tally = await copy(source, inside)
            assert tally.faults == []
            assert await all_files(inside) == expected


async def test_a_copy_that_is_cancelled_leaves_no_half_file_and_can_be_repeated(
    tmp_path: Path,
) -> None:
    source, inside = memory(), make_driver("filesystem", tmp_path)
    await fill(source)
    counting = FaultyDriver(memory())
    await copy(source, counting)
    for number in range(0, len(counting.calls), 3):
        with anyio.CancelScope() as scope:

            async def cancel(
                call: Call, number: int = number, scope: anyio.CancelScope = scope
            ) -> None:
                if call.number == number:
                    scope.cancel()

            await copy(source, FaultyDriver(inside, cancel))
        await assert_pullable(inside)
        assert not await anyio.to_thread.run_sync(lambda: [*tmp_path.rglob("*.tmp")])
    await copy(source, inside)
    assert await all_files(inside) == await all_files(source)


async def test_whatever_is_pushed_meanwhile_the_tags_that_are_copied_can_be_pulled() -> None:
    calls = 0
    number = 0
    while number <= calls:
        inside, destination = memory(), memory()
        await fill(inside)
        repository = Registry(inside).repository(A)

        async def push(call: Call, number: int = number, repository=repository) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
            if call.number == number and call.moment == "before":
                new = image(b"pushed meanwhile")
                await push_image(repository, new, b"pushed meanwhile")
                await repository.manifests.put(index(new), [Tag("latest"), Tag("new")])

        source = FaultyDriver(inside, push)
        tally = await copy(source, destination, concurrency=2)
        calls = max(calls, len(source.calls) - 1)
        assert tally.faults == []
        await assert_pullable(destination)
        await copy(inside, destination)
        assert await all_files(destination) == await all_files(inside)
        number += 1
    assert number > 50


async def test_whatever_is_deleted_meanwhile_the_copy_goes_on() -> None:
    counting = FaultyDriver(memory())
    await fill(counting.driver)
    await copy(counting, memory(), concurrency=1)
    for number in range(len(counting.calls)):
        inside, destination = memory(), memory()
        await fill(inside)

        async def delete(call: Call, number: int = number, inside: StorageDriver = inside) -> None:
            if call.number == number and call.moment == "before":
                repository = Registry(inside).repository(A)
                await repository.manifests.delete(image(b"two", b"").digest)
                await repository.layers.delete(Digest.of(b"two"))
                await inside.delete(paths.blob_data(Digest.of(b"two")))

        await copy(FaultyDriver(inside, delete), destination, concurrency=1)
        await assert_whole(destination)
        assert await Registry(destination).repository(A).tags.find(Tag("v1")) is not None


async def test_what_fails_for_a_moment_is_tried_again() -> None:
    source = memory()
    await fill(source)
    counting = FaultyDriver(memory())
    await copy(source, counting, concurrency=1)
    for number in range(len(counting.calls)):
        inside = memory()
        flaky = FaultyDriver(inside, fails_at(number, "before", lambda: DriverUnavailable("", "")))
        tally = await copy(source, flaky, concurrency=1)
        assert tally.faults == []
        assert tally.done_bytes == tally.total_bytes
        assert await all_files(inside) == await all_files(source)


async def test_what_keeps_failing_is_reported_and_the_rest_is_copied() -> None:
    source, inside = memory(), memory()
    await fill(source)
    two = paths.blob_data(Digest.of(b"two"))
    tally = await copy(source, FaultyDriver(inside, failing("writer.commit", two)))
    assert subjects(tally) == {str(Digest.of(b"two")), paths.layer_link(A, Digest.of(b"two"))}
    again = await copy(source, inside)
    assert again.faults == []
    assert (again.copied_blobs, again.copied_files) == (1, 1)


async def test_a_destination_that_is_out_of_order_ends_the_copy() -> None:
    source, destination = memory(), FaultyDriver(memory(), failing("open_writer"))
    await fill(source)
    with pytest.raises(DriverUnavailable):
        await copy(source, destination)
    # Each was tried three times, and the first ten were enough.
    assert sum(call.startswith("open_writer") for call in destination.calls) <= 3 * 14


async def test_a_full_destination_ends_the_copy_at_once() -> None:
    source = memory()
    await fill(source)

    async def fill_up(call: Call) -> None:
        if call.method == "writer.write":
            raise StorageFull(call.path)

    destination = FaultyDriver(memory(), fill_up)
    with pytest.raises(StorageFull):
        await copy(source, destination, concurrency=1)
    assert sum(call.startswith("writer.write") for call in destination.calls) == 1


async def test_no_more_is_copied_at_once_than_was_asked_for() -> None:
    source = memory()
    repository = Registry(source).repository(A)
    for number in range(30):
        await push_blob(repository, b"%d" % number)
    under_way: set[str] = set()
    most = 0

    async def count(call: Call) -> None:
        nonlocal most
        if call.method in {"writer.commit", "put"}:
            if call.moment == "before":
                under_way.add(call.path)
                most = max(most, len(under_way))
                await anyio.sleep(0.001)
            else:
                under_way.remove(call.path)

    await copy(source, FaultyDriver(memory(), count), concurrency=3)
    assert most == 3


async def test_a_large_blob_is_never_in_memory_whole(tmp_path: Path) -> None:
    source, destination = (make_driver("filesystem", tmp_path / name) for name in ("a", "b"))

    async def large() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield piece

    piece = os.urandom(1024 * 1024)
    hasher = SHA256.new_hasher()
    for _ in range(64):
        hasher.update(piece)
    digest = Digest(SHA256, hasher.hexdigest())
    async with await Registry(source).repository(A).layers.upload() as upload:
        await upload.read_from(large())
        await upload.finish(digest)
    gc.collect()
    tracemalloc.start()
    try:
        tally = await copy(source, destination)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert tally.copied_bytes == 64 * len(piece)
    assert peak < 8 * 1024 * 1024
    assert (await destination.stat(paths.blob_data(digest))).size == 64 * len(piece)
