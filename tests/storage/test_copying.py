"""A whole store into another one: complete, verified, consistent at every moment, resumable."""

import gc
import os
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from core.digest import SHA256, SHA512, Digest
from core.drivers import StorageDriver, create_driver
from core.errors import DriverUnavailable, ManifestUnknown, PathNotFound, StorageFull
from core.manifest import parse_manifest
from core.storage import Registry, RepositoryName, Tag, paths
from core.storage.copying import CopyTally, StoreCopier
from tests.faulty import Call, Crash, FaultyDriver, failing, fails_at
from tests.storage.pushing import (
    ROOT,
    all_files,
    assert_whole,
    image,
    index,
    push_blob,
    push_image,
    stream,
)

__all__: list[str] = []

pytestmark = pytest.mark.timeout(120)

WRITES = {"put", "open_writer", "open_appender", "writer.write", "writer.commit", "move", "delete"}
A = RepositoryName("a")
AB = RepositoryName("a/b")


def make_driver(kind: str, folder: Path) -> StorageDriver:
    if kind == "memory":
        return create_driver("memory", {})
    return create_driver("filesystem", {"root": folder, "durability": "relaxed"})


@pytest.fixture(params=["memory", "filesystem"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    return make_driver(request.param, tmp_path / "source")


@pytest.fixture(params=["memory", "filesystem"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    return make_driver(request.param, tmp_path / "destination")


def memory() -> StorageDriver:
    return create_driver("memory", {})


async def fill(driver: StorageDriver) -> None:
    """Everything that a store may hold and a copy should take."""
    registry = Registry(driver)
    a, ab = registry.repository(A), registry.repository(AB)
    first = await push_image(a, image(b"one"), b"one", tags=["v1", "latest"])
    second = await push_image(a, image(b"two", b""), b"two", b"", tags=["latest"])
    await a.manifests.put(index(first, second), [Tag("all")])
    await push_image(a, image(subject=first, annotations={"a": "signature"}))
    await push_blob(ab, b"of sha512", SHA512)
    await push_image(ab, image(b"one", algorithm=SHA512), b"one", tags=["v512"])
    await fill_in_the_ways_of_others(driver)


async def fill_in_the_ways_of_others(driver: StorageDriver) -> None:
    one = Digest.of(b"one")
    alias = Digest.of(b"one", SHA512)
    revision = image(b"one").digest
    repository = f"{paths.REPOSITORIES}/a"
    await driver.put(paths.layer_link(A, alias), str(one).encode())
    await driver.put(f"{repository}/_layers/tarsum/v1/sha256/{'0' * 64}/link", str(one).encode())
    await driver.put(
        f"{paths.revision_link(A, revision).removesuffix('/link')}"
        f"/signatures/sha256/{one.encoded}/link",
        str(one).encode(),
    )
    await driver.put(f"{repository}/_later/of/a/later/version", b"anything")
    await driver.put(f"{repository}/_manifests/later/note", b"more")


async def leave_unfinished(driver: StorageDriver) -> None:
    """What a copy should leave behind."""
    async with await Registry(driver).repository(A).layers.upload() as upload:
        await upload.read_from(stream(b"unfinished"))
    await driver.put(f"{ROOT}/_moorage/mark", b"ours")
    await driver.put(f"{paths.REPOSITORIES}/a/_moorage/mark", b"ours")
    await driver.put(f"{paths.REPOSITORIES}/a/_layers/sha256/{'0' * 64}/link.x.tmp", b"crashed")


async def copy(
    source: StorageDriver,
    destination: StorageDriver,
    *names: RepositoryName,
    verify: bool = False,
    dry_run: bool = False,
    concurrency: int = 4,
    retry_seconds: float = 0,
) -> CopyTally:
    tally = CopyTally()
    await StoreCopier(
        source,
        destination,
        tally,
        repositories=names,
        verify=verify,
        dry_run=dry_run,
        concurrency=concurrency,
        retry_seconds=retry_seconds,
    ).copy()
    return tally


def subjects(tally: CopyTally) -> set[str]:
    return {fault.subject for fault in tally.faults}


async def assert_pullable(driver: StorageDriver) -> None:
    """Assert that every tag's manifest is there, with all that it refers to."""
    await assert_whole(driver)
    registry = Registry(driver)
    async for name in registry.list_repositories():
        repository = registry.repository(name)
        async for tag in repository.tags.list():
            stored = await repository.manifests.get(tag)
            manifest = parse_manifest(stored.payload, stored.media_type, stored.digest)
            for reference in manifest.references():
                digest = reference.descriptor.digest
                if reference.kind == "blob":
                    assert await repository.layers.exists(digest), f"{name}:{tag} lacks {digest}"
                else:
                    await repository.manifests.get(digest)


# What is copied.


async def test_everything_is_at_the_destination_byte_for_byte(
    source: StorageDriver, destination: StorageDriver
) -> None:
    await fill(source)
    expected = await all_files(source)
    await leave_unfinished(source)
    tally = await copy(source, destination)
    assert await all_files(destination) == expected
    assert tally.faults == []
    assert tally.unfinished_uploads == 1
    assert tally.copied_blobs + tally.copied_files == len(expected)
    assert tally.done_objects == tally.total_objects == len(expected)
    blobs = {path: len(content) for path, content in expected.items() if path.endswith("/data")}
    assert tally.copied_bytes == tally.done_bytes == tally.total_bytes == sum(blobs.values())
    assert tally.done_repositories == tally.total_repositories == 2
    await assert_pullable(destination)


async def test_a_second_copy_reads_and_writes_no_content(
    source: StorageDriver, destination: StorageDriver
) -> None:
    await fill(source)
    first = await copy(source, destination)
    reading, writing = FaultyDriver(source), FaultyDriver(destination)
    second = await copy(reading, writing)
    assert {call.split()[0] for call in writing.calls} <= {"stat", "get"}
    # Small files are compared; of blobs only the sizes are asked for.
    assert not any("open_reader" in call for call in reading.calls)
    assert not any(call.startswith("get") and "/blobs/" in call for call in reading.calls)
    assert max(Counter(reading.calls).values()) <= 3
    assert (second.copied_blobs, second.copied_files, second.moved_bytes) == (0, 0, 0)
    assert second.present_blobs == first.copied_blobs
    assert second.present_files == first.copied_files


async def test_a_tag_that_has_moved_is_moved_and_nothing_is_deleted(
    source: StorageDriver, destination: StorageDriver
) -> None:
    await fill(source)
    await copy(source, destination)
    a, there = Registry(source).repository(A), Registry(destination).repository(A)
    await a.tags.remove(Tag("all"))
    await a.tags.set(Tag("latest"), image(b"one").digest)
    tally = await copy(source, destination)
    assert (tally.copied_files, tally.copied_blobs) == (1, 0)
    assert await there.tags.find(Tag("latest")) == image(b"one").digest
    assert await there.tags.find(Tag("all")) is not None


async def test_one_repository_comes_with_the_blobs_that_it_links_and_no_others() -> None:
    source, destination = memory(), memory()
    await fill(source)
    tally = await copy(source, destination, AB)
    copied = await all_files(destination)
    repository = f"{paths.REPOSITORIES}/a/b/"
    assert {p: c for p, c in copied.items() if "/repositories/" in p} == await all_files(
        source, repository.rstrip("/")
    )
    assert paths.blob_data(Digest.of(b"one")) in copied
    assert paths.blob_data(Digest.of(b"two")) not in copied
    assert tally.faults == []
    assert (tally.total_bytes, tally.blobs_are_listed) == (tally.done_bytes, True)
    await assert_pullable(destination)


async def test_a_repository_that_the_source_does_not_have_is_reported() -> None:
    source, destination = memory(), memory()
    await fill(source)
    tally = await copy(source, destination, RepositoryName("a/c"), A)
    assert subjects(tally) == {"a/c"}
    assert await Registry(destination).repository(A).tags.find(Tag("v1")) is not None


async def test_a_dry_run_counts_what_would_be_copied_and_writes_nothing(
    source: StorageDriver,
) -> None:
    await fill(source)
    destination = FaultyDriver(memory())
    await push_blob(Registry(destination.driver).repository(A), b"one")
    before = await all_files(destination.driver)
    would = await copy(source, destination, dry_run=True)
    assert await all_files(destination.driver) == before
    assert {call.split()[0] for call in destination.calls}.isdisjoint(WRITES)
    assert would.moved_bytes == 0
    did = await copy(source, destination)
    for counter in ("copied_blobs", "copied_bytes", "copied_files", "present_blobs", "faults"):
        assert getattr(would, counter) == getattr(did, counter)
    assert would.done_bytes == would.total_bytes


async def test_a_source_that_is_no_store_is_an_error(source: StorageDriver) -> None:
    with pytest.raises(PathNotFound):
        await copy(source, memory())


# What is not right.


async def test_a_damaged_blob_is_reported_and_everything_else_is_copied() -> None:
    source, destination = memory(), memory()
    await fill(source)
    two = Digest.of(b"two")
    await source.put(paths.blob_data(two), b"twO")
    tally = await copy(source, destination)
    assert subjects(tally) == {str(two), paths.layer_link(A, two)}
    missing = (await all_files(source)).keys() - (await all_files(destination)).keys()
    assert missing == {paths.blob_data(two), paths.layer_link(A, two)}
    # The image that needs it is there, and one push of the layer heals it.
    there = Registry(destination).repository(A)
    assert (await there.manifests.get(Tag("latest"))).digest == image(b"two", b"").digest
    await push_blob(there, b"two")
    await assert_pullable(destination)


async def test_a_damaged_manifest_takes_its_tags_with_it() -> None:
    source, destination = memory(), memory()
    await fill(source)
    digest = image(b"two", b"").digest
    await source.put(paths.blob_data(digest), b"{}")
    tally = await copy(source, destination)
    assert subjects(tally) == {
        str(digest),
        paths.revision_link(A, digest),
        paths.tag_current_link(A, Tag("latest")),
    }
    await assert_whole(destination)
    with pytest.raises(ManifestUnknown):
        await Registry(destination).repository(A).manifests.get(Tag("latest"))


async def test_content_of_equal_size_that_is_wrong_is_found_and_healed_by_verifying(
    source: StorageDriver, destination: StorageDriver
) -> None:
    await fill(source)
    await copy(source, destination)
    damaged = paths.blob_data(Digest.of(b"two"))
    await destination.put(damaged, b"twO")
    unaware = await copy(source, destination)
    assert (unaware.healed_blobs, await destination.get(damaged)) == (0, b"twO")
    would = await copy(source, destination, verify=True, dry_run=True)
    assert (would.healed_blobs, await destination.get(damaged)) == (1, b"twO")
    tally = await copy(source, destination, verify=True)
    assert (tally.healed_blobs, tally.copied_blobs, tally.faults) == (1, 0, [])
    assert await all_files(destination) == await all_files(source)
    assert tally.done_bytes == tally.total_bytes


async def test_content_that_is_damaged_on_both_sides_is_reported_by_verifying() -> None:
    source, destination = memory(), memory()
    await fill(source)
    await copy(source, destination)
    two = Digest.of(b"two")
    for store in (source, destination):
        await store.put(paths.blob_data(two), b"twO")
    tally = await copy(source, destination, verify=True)
    assert str(two) in subjects(tally)


async def test_what_is_right_at_the_destination_is_not_replaced_by_what_is_damaged() -> None:
    source, destination = memory(), memory()
    await fill(source)
    await copy(source, destination)
    damaged = paths.blob_data(Digest.of(b"two"))
    for content in (b"tw", b"", b"two and more"):
        await source.put(damaged, content)
        for verify in (False, True):
            tally = await copy(source, destination, verify=verify)
            assert tally.faults == []
            assert await destination.get(damaged) == b"two"


@pytest.mark.parametrize(
    "content",
    [b"", b"junk", b"md5:d41d8cd98f00b204e9800998ecf8427e", str(Digest.of(b"one")).encode()],
)
async def test_a_damaged_link_is_reported_and_not_copied(content: bytes) -> None:
    source, destination = memory(), memory()
    await fill(source)
    link = paths.layer_link(A, Digest.of(b"two"))
    await source.put(link, content)
    tally = await copy(source, destination)
    assert subjects(tally) == {link}
    assert (await all_files(source)).keys() - (await all_files(destination)).keys() == {link}


async def test_a_link_to_nothing_is_reported_and_not_copied() -> None:
    source, destination = memory(), memory()
    await fill(source)
    gone = Digest.of(b"never pushed")
    link = paths.layer_link(A, gone)
    await source.put(link, str(gone).encode())
    tally = await copy(source, destination)
    assert subjects(tally) == {link}
    assert link not in await all_files(destination)


async def test_a_tag_without_its_manifest_is_reported_and_its_history_is_not() -> None:
    source, destination = memory(), memory()
    await fill(source)
    one, two = image(b"one").digest, image(b"two", b"").digest
    for digest in (one, two):
        await source.delete(paths.revision_link(A, digest))
    await source.delete(paths.blob_data(one))
    tally = await copy(source, destination)
    tags = {paths.tag_current_link(A, Tag(tag)) for tag in ("v1", "latest")}
    assert subjects(tally) >= tags
    assert tally.stale_tag_entries == 2
    copied = await all_files(destination)
    assert tags.isdisjoint(copied)
    # The manifest can be had by its digest no more, but its content was not deleted.
    assert paths.tag_index_link(A, Tag("latest"), two) in copied
    await assert_whole(destination)


async def test_blobs_whose_names_cannot_be_verified_are_reported() -> None:
    source, destination = memory(), memory()
    await fill(source)
    await source.put(f"{paths.BLOBS}/sha3/00/{'0' * 64}/data", b"new")
    await source.put(f"{paths.BLOBS}/tarsum/v2/sha256/00/{'0' * 64}/data", b"old")
    await source.put(f"{paths.BLOBS}/sha256/00/0123/data", b"short")
    await source.put(f"{paths.BLOBS}/sha256/00/{Digest.of(b'one').encoded}/data", b"one")
    tally = await copy(source, destination)
    assert subjects(tally) == {
        f"{paths.BLOBS}/sha3",
        f"{paths.BLOBS}/tarsum/v2",
        f"{paths.BLOBS}/sha256/00/0123",
        f"{paths.BLOBS}/sha256/00/{Digest.of(b'one').encoded}",
    }
    await assert_pullable(destination)


# Crashes, faults and company.


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
