"""Manifests that are put and deleted at once, interrupted and cancelled: whole or not at all."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from anyio import CancelScope
from anyio.lowlevel import checkpoint

from core.digest import Digest
from core.drivers import Barrier, Change, Put, StorageDriver
from core.errors import DriverError, DriverUnavailable, ManifestUnknown, PathNotFound
from core.storage import Registry, Tag
from tests.faulty import Call, Crash, FaultyDriver, failing, fails_at
from tests.storage.manifest_paths import REPOSITORY, V1, data_path, list_tags, revision_path
from tests.storage.pushing import CONFIG, R, all_files, assert_whole, image, push_blob, push_image

__all__: list[str] = []


# Deleting.


async def count_calls(driver: StorageDriver) -> int:
    """Return the number of driver calls of one put, having left its references in the store."""
    await push_blob(Registry(driver).repository(R), CONFIG)
    faulty = FaultyDriver(driver)
    await Registry(faulty).repository(R).manifests.put(image(), [V1])
    await driver.delete(f"{REPOSITORY}/_manifests")
    return len(faulty.calls)


async def is_there(driver: StorageDriver, reference: Tag | Digest) -> bool:
    try:
        await Registry(driver).repository(R).manifests.get(reference)
    except ManifestUnknown:
        return False
    return True


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("there_before", [False, True])
async def test_a_delete_at_any_moment_of_a_put_leaves_manifest_and_tag_or_neither(
    driver: StorageDriver, moment: str, there_before: bool
) -> None:
    manifest = image()
    total = await count_calls(driver)
    for number in range(total):
        if there_before:
            await Registry(driver).repository(R).manifests.put(manifest, [V1])

        async def delete(call: Call, number: int = number) -> None:
            if (call.number, call.moment) == (number, moment):
                with suppress(ManifestUnknown):
                    await Registry(driver).repository(R).manifests.delete(manifest.digest)

        await Registry(FaultyDriver(driver, delete)).repository(R).manifests.put(manifest, [V1])
        assert await is_there(driver, manifest.digest) == await is_there(driver, V1)
        await assert_whole(driver)
        # In memory a directory goes with the last file in it.
        with suppress(PathNotFound):
            await driver.delete(f"{REPOSITORY}/_manifests")


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_put_at_any_moment_of_a_delete_leaves_no_dangling_tag(
    driver: StorageDriver, moment: str
) -> None:
    manifest = image()
    await push_image(Registry(driver).repository(R), manifest, tags=["v1"])
    faulty = FaultyDriver(driver)
    await Registry(faulty).repository(R).manifests.delete(manifest.digest)
    for number in range(len(faulty.calls)):
        await Registry(driver).repository(R).manifests.put(manifest, [V1])

        async def put(call: Call, number: int = number) -> None:
            if (call.number, call.moment) == (number, moment):
                await Registry(driver).repository(R).manifests.put(manifest, [V1])

        try:
            await (
                Registry(FaultyDriver(driver, put)).repository(R).manifests.delete(manifest.digest)
            )
        except ManifestUnknown:
            assert not await is_there(driver, manifest.digest)
        if not await is_there(driver, manifest.digest):
            assert await list_tags(Registry(driver).repository(R)) == []
        await assert_whole(driver)


# Interruptions.


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("fault", [Crash, lambda: DriverUnavailable("/x", "told to fail")])
async def test_a_put_that_is_interrupted_anywhere_shows_no_tag_without_manifest_and_is_retried(
    driver: StorageDriver, moment: str, fault: Callable[[], BaseException]
) -> None:
    manifest = image()
    total = await count_calls(driver)
    assert total > 5
    for number in range(total):
        interrupted = Registry(FaultyDriver(driver, fails_at(number, moment, fault)))
        with pytest.raises((Crash, DriverError)):
            await interrupted.repository(R).manifests.put(manifest, [V1])
        await assert_whole(driver)
        await Registry(driver).repository(R).manifests.put(manifest, [V1])
        assert await is_there(driver, V1)
        await assert_whole(driver)
        await driver.delete(f"{REPOSITORY}/_manifests")


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_put_that_is_cancelled_anywhere_has_happened_whole_or_not_at_all(
    driver: StorageDriver, moment: str
) -> None:
    manifest = image()
    outcomes = set()
    for number in range(await count_calls(driver)):
        with CancelScope() as scope:

            async def cancel(call: Call, number: int = number, scope: CancelScope = scope) -> None:
                if (call.number, call.moment) == (number, moment):
                    scope.cancel()
                    await checkpoint()

            await Registry(FaultyDriver(driver, cancel)).repository(R).manifests.put(manifest, [V1])
        there = await is_there(driver, V1)
        assert await is_there(driver, manifest.digest) == there
        outcomes.add(there)
        await assert_whole(driver)
        if there:
            await driver.delete(f"{REPOSITORY}/_manifests")
    assert outcomes == {False, True}


class Recording(FaultyDriver):
    """Keeps the lists of changes that it was given."""

    def __init__(self, driver: StorageDriver) -> None:
        super().__init__(driver)
        self.lists: list[Sequence[Change]] = []

    async def apply(self, changes: Sequence[Change]) -> None:
        self.lists.append(changes)
        await super().apply(changes)


async def test_a_tag_is_set_behind_a_barrier_that_follows_all_that_it_needs(
    driver: StorageDriver,
) -> None:
    """Else a crash could take a manifest that the tag has been pointed to."""
    recording = Recording(driver)
    repository = Registry(recording).repository(R)
    subject = await push_image(Registry(driver).repository(R), image())
    manifest = image(subject=subject)
    await repository.manifests.put(manifest, [V1, Tag("v2")])
    (changes,) = recording.lists
    barrier = changes.index(Barrier())
    before = [change.path for change in changes[:barrier] if isinstance(change, Put)]
    behind = [change.path for change in changes[barrier + 1 :] if isinstance(change, Put)]
    index = f"index/sha256/{manifest.digest.encoded}/link"
    assert before[:2] == [data_path(manifest.digest), revision_path(manifest.digest)]
    assert before[2].startswith(f"{REPOSITORY}/_referrers/")
    assert before[3:] == [f"{REPOSITORY}/_manifests/tags/{tag}/{index}" for tag in ("v1", "v2")]
    assert behind == [f"{REPOSITORY}/_manifests/tags/{tag}/current/link" for tag in ("v1", "v2")]


async def test_a_put_whose_blob_cannot_be_stored_leaves_nothing(driver: StorageDriver) -> None:
    await push_blob(Registry(driver).repository(R), CONFIG)
    before = await all_files(driver)
    with pytest.raises(DriverUnavailable):
        await (
            Registry(FaultyDriver(driver, failing("put", "/data")))
            .repository(R)
            .manifests.put(image(), [V1])
        )
    assert await all_files(driver) == before
