"""Referrers: right whatever the index is like, as the manifests themselves are the truth."""

import pytest
from anyio import create_task_group

from core.digest import Digest
from core.drivers import StorageDriver
from core.manifest import OCI_MANIFEST, Manifest
from core.storage import Registry, Repository, fallback_tag, paths
from core.storage.referrers import _MAX_SEGMENTS
from tests.faulty import FaultyDriver, failing
from tests.storage.pushing import CONFIG, ROOT, R, image, index, push_blob, push_image

__all__: list[str] = []

REPOSITORY = f"{ROOT}/repositories/r/r"
SEGMENTS = f"{REPOSITORY}/_referrers"


async def referrers(repository: Repository, subject: Manifest) -> list[Digest]:
    return [one.digest for one in await repository.referrers.list(subject.digest)]


def expected(*manifests: Manifest) -> list[Digest]:
    return sorted((one.digest for one in manifests), key=str)


def referrer(subject: Manifest, number: int = 0) -> Manifest:
    return image(subject=subject, annotations={"number": str(number)})


async def segments(driver: StorageDriver) -> list[str]:
    return [entry.name async for entry in driver.list(SEGMENTS)]


@pytest.fixture
async def subject(repository: Repository) -> Manifest:
    return await push_image(repository, image(), tags=["v1"])


async def test_a_manifest_that_is_put_is_listed_and_one_that_is_deleted_is_not(
    repository: Repository, subject: Manifest
) -> None:
    assert await referrers(repository, subject) == []
    one, two = referrer(subject, 1), referrer(subject, 2)
    await repository.manifests.put(one)
    await repository.manifests.put(two)
    assert await referrers(repository, subject) == expected(one, two)
    await repository.manifests.delete(one.digest)
    assert await referrers(repository, subject) == expected(two)
    await repository.manifests.put(one)
    assert await referrers(repository, subject) == expected(one, two)


async def test_referrers_of_a_subject_that_is_not_there_are_listed(
    repository: Repository,
) -> None:
    subject = image(annotations={"never": "pushed"})
    one = await push_image(repository, referrer(subject))
    assert await referrers(repository, subject) == [one.digest]


async def test_referrers_of_another_subject_or_repository_are_not_listed(
    registry: Registry, repository: Repository, subject: Manifest
) -> None:
    other = await push_image(repository, image(annotations={"other": "one"}))
    await repository.manifests.put(referrer(other))
    assert await referrers(repository, subject) == []
    assert await registry.repository(type(R)("s")).referrers.list(other.digest) == []


async def test_a_referrer_is_described_by_the_rules_of_the_specification(
    repository: Repository, subject: Manifest
) -> None:
    typed = image(subject=subject, artifactType="application/x", annotations={"a": "b"})
    await repository.manifests.put(typed)
    [listed] = await repository.referrers.list(subject.digest)
    assert (listed.media_type, listed.size) == (OCI_MANIFEST, len(typed.payload))
    assert listed.artifact_type == "application/x"
    assert listed.annotations == {"a": "b"}


async def test_the_index_is_built_for_a_store_that_has_none(
    driver: StorageDriver, repository: Repository, subject: Manifest
) -> None:
    one = referrer(subject)
    await repository.manifests.put(one)
    await driver.delete(SEGMENTS)
    assert await referrers(repository, subject) == [one.digest]
    faulty = FaultyDriver(driver)
    assert await referrers(Registry(faulty).repository(R), subject) == [one.digest]
    payloads = [call for call in faulty.calls if call.startswith("get") and "/blobs/" in call]
    assert len(payloads) == 1


async def test_a_part_of_the_index_that_is_lost_or_damaged_is_built_again(
    driver: StorageDriver, repository: Repository, subject: Manifest
) -> None:
    pushed = [referrer(subject, number) for number in range(4)]
    for one in pushed:
        await repository.manifests.put(one)
    names = await segments(driver)
    assert len(names) == 4
    await driver.delete(f"{SEGMENTS}/{names[0]}")
    await driver.put(f"{SEGMENTS}/{names[1]}", b"\xffdamaged\nsha256:abc sha256:def\n")
    await driver.put(f"{SEGMENTS}/{names[2]}", b"")
    assert await referrers(repository, subject) == expected(*pushed)


async def test_many_segments_are_merged_into_one(
    driver: StorageDriver, repository: Repository, subject: Manifest
) -> None:
    pushed = [referrer(subject, number) for number in range(_MAX_SEGMENTS + 4)]
    for one in pushed:
        await repository.manifests.put(one)
    await repository.manifests.delete(pushed.pop().digest)
    assert await referrers(repository, subject) == expected(*pushed)
    assert len(await segments(driver)) <= 2
    faulty = FaultyDriver(driver)
    assert await referrers(Registry(faulty).repository(R), subject) == expected(*pushed)
    # What was examined once is not examined again: only those that are listed are read.
    assert len([call for call in faulty.calls if "/blobs/" in call]) == len(pushed)


async def test_nodes_that_merge_at_once_lose_nothing(
    driver: StorageDriver, repository: Repository, subject: Manifest
) -> None:
    pushed = [referrer(subject, number) for number in range(_MAX_SEGMENTS + 4)]
    for one in pushed:
        await repository.manifests.put(one)

    async def ask() -> None:
        assert await referrers(Registry(driver).repository(R), subject) == expected(*pushed)

    async with create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(ask)
    await ask()


async def test_a_merge_that_is_overtaken_at_any_call_loses_nothing(
    driver: StorageDriver, repository: Repository, subject: Manifest
) -> None:
    pushed = [referrer(subject, number) for number in range(_MAX_SEGMENTS + 1)]
    for one in pushed:
        await repository.manifests.put(one)
    faulty = FaultyDriver(driver, failing("delete"))
    assert await referrers(Registry(faulty).repository(R), subject) == expected(*pushed)
    assert await referrers(repository, subject) == expected(*pushed)


async def test_a_store_that_takes_no_writes_lists_referrers(
    driver: StorageDriver, repository: Repository, subject: Manifest
) -> None:
    await repository.manifests.put(referrer(subject))
    await driver.delete(SEGMENTS)
    full = Registry(FaultyDriver(driver, failing("put"))).repository(R)
    assert await referrers(full, subject) == [referrer(subject).digest]


async def test_what_is_no_directory_among_the_revisions_hides_nothing(
    driver: StorageDriver, repository: Repository, subject: Manifest
) -> None:
    await repository.manifests.put(referrer(subject))
    await driver.delete(SEGMENTS)
    await driver.put(f"{REPOSITORY}/_manifests/revisions/aaa", b"")
    await driver.put(f"{REPOSITORY}/_manifests/revisions/md5/abc/link", b"")
    await driver.put(f"{REPOSITORY}/_manifests/revisions/sha256/zzz", b"")
    assert await referrers(repository, subject) == [referrer(subject).digest]


async def test_the_referrers_of_the_fallback_tag_are_listed_too_if_they_are_there(
    driver: StorageDriver, subject: Manifest
) -> None:
    repository = Registry(driver, missing_references="accept").repository(R)
    by_tag = image(annotations={"has": "no subject"})
    both, gone = referrer(subject, 1), referrer(subject, 2)
    await repository.manifests.put(by_tag)
    await repository.manifests.put(both)
    tag = fallback_tag(subject.digest)
    assert tag is not None
    assert str(tag) == f"sha256-{subject.digest.encoded}"
    await repository.manifests.put(index(by_tag, both, gone), [tag])
    assert await referrers(repository, subject) == expected(by_tag, both)


async def test_one_bad_entry_of_a_fallback_tag_hides_no_other(
    driver: StorageDriver, repository: Repository, subject: Manifest
) -> None:
    """Other registries look at the entries of an index less closely."""
    by_tag = image(annotations={"has": "no subject"})
    await push_blob(repository, CONFIG)
    await repository.manifests.put(by_tag)
    good = index(by_tag)
    payload = good.payload.replace(b'"manifests": [', b'"manifests": [{"size": "one"}, ')
    assert payload != good.payload
    digest = Digest.of(payload)
    tag = fallback_tag(subject.digest)
    assert tag is not None
    await driver.put(paths.blob_data(digest), payload)
    for link in (paths.revision_link(R, digest), paths.tag_current_link(R, tag)):
        await driver.put(link, str(digest).encode())
    assert await referrers(repository, subject) == expected(by_tag)


async def test_a_fallback_tag_of_no_index_is_passed_over(
    repository: Repository, subject: Manifest
) -> None:
    tag = fallback_tag(subject.digest)
    assert tag is not None
    await repository.manifests.put(referrer(subject), [tag])
    assert await referrers(repository, subject) == [referrer(subject).digest]


async def test_a_manifest_without_subject_costs_no_segment(
    driver: StorageDriver, repository: Repository
) -> None:
    await push_blob(repository, CONFIG)
    faulty = FaultyDriver(driver)
    await Registry(faulty).repository(R).manifests.put(image())
    assert [call for call in faulty.calls if "_referrers" in call] == []
