"""A whole store into another one: complete, verified, and without what is not right."""

from collections import Counter
from pathlib import Path

import pytest

from core.digest import Digest
from core.drivers import StorageDriver
from core.errors import ManifestUnknown, PathNotFound
from core.storage import Registry, RepositoryName, Tag, paths
from tests.faulty import FaultyDriver
from tests.storage.copies import (
    AB,
    WRITES,
    A,
    assert_pullable,
    copy,
    fill,
    make_driver,
    memory,
    subjects,
)
from tests.storage.pushing import ROOT, all_files, assert_whole, image, push_blob, stream

__all__: list[str] = []

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=["memory", "filesystem"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    return make_driver(request.param, tmp_path / "source")


@pytest.fixture(params=["memory", "filesystem"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    return make_driver(request.param, tmp_path / "destination")


async def leave_unfinished(driver: StorageDriver) -> None:
    """What a copy should leave behind."""
    async with await Registry(driver).repository(A).layers.upload() as upload:
        await upload.read_from(stream(b"unfinished"))
    await driver.put(f"{ROOT}/_moorage/mark", b"ours")
    await driver.put(f"{paths.REPOSITORIES}/a/_moorage/mark", b"ours")
    await driver.put(f"{paths.REPOSITORIES}/a/_layers/sha256/{'0' * 64}/link.x.tmp", b"crashed")


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
