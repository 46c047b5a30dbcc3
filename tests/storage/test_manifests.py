"""Manifests and tags: stored whole, by digest and by name, and removed together."""

import json

import pytest
from structlog.typing import EventDict

from core.digest import SHA512, Digest
from core.drivers import StorageDriver
from core.errors import (
    ManifestBlobUnknown,
    ManifestFaults,
    ManifestUnknown,
    NameUnknown,
    SizeInvalid,
)
from core.storage import Registry, Repository, RepositoryName, Tag
from tests.storage.manifest_paths import REPOSITORY, V1, data_path, list_tags, revision_path
from tests.storage.pushing import CONFIG, R, all_files, image, index, push_blob, push_image

__all__: list[str] = []


# The layout.


async def test_two_pushes_of_one_tag_leave_the_files_of_the_incumbent_and_no_others(
    driver: StorageDriver, repository: Repository
) -> None:
    m1, m2 = image(), image(annotations={"second": "one"})
    await push_image(repository, m1, tags=["v1"])
    await push_image(repository, m2, tags=["v1"])
    h1, h2 = m1.digest.encoded, m2.digest.encoded
    config = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    r = "/docker/registry/v2/repositories/r/r"
    b = "/docker/registry/v2/blobs/sha256"
    assert await all_files(driver) == {
        f"{b}/44/{config}/data": b"{}",
        f"{b}/{h1[:2]}/{h1}/data": m1.payload,
        f"{b}/{h2[:2]}/{h2}/data": m2.payload,
        f"{r}/_layers/sha256/{config}/link": f"sha256:{config}".encode(),
        f"{r}/_manifests/revisions/sha256/{h1}/link": f"sha256:{h1}".encode(),
        f"{r}/_manifests/revisions/sha256/{h2}/link": f"sha256:{h2}".encode(),
        f"{r}/_manifests/tags/v1/current/link": f"sha256:{h2}".encode(),
        f"{r}/_manifests/tags/v1/index/sha256/{h1}/link": f"sha256:{h1}".encode(),
        f"{r}/_manifests/tags/v1/index/sha256/{h2}/link": f"sha256:{h2}".encode(),
    }


# Put and get.


async def test_a_manifest_is_got_by_tag_and_by_digest_byte_for_byte(
    repository: Repository,
) -> None:
    manifest = await push_image(repository, image(), tags=["v1", "latest"])
    for reference in (V1, Tag("latest"), manifest.digest):
        stored = await repository.manifests.get(reference)
        assert stored.payload == manifest.payload
        assert stored.media_type == manifest.media_type
        assert stored.digest == manifest.digest


async def test_a_manifest_with_a_sha512_digest_is_stored_and_got(repository: Repository) -> None:
    manifest = await push_image(repository, image(algorithm=SHA512), tags=["v1"])
    assert manifest.digest.algorithm is SHA512
    assert (await repository.manifests.get(V1)).digest == manifest.digest
    assert (await repository.manifests.get(manifest.digest)).payload == manifest.payload


async def test_what_was_never_pushed_is_unknown(repository: Repository) -> None:
    for reference in (V1, Digest.of(b"missing")):
        with pytest.raises(ManifestUnknown) as caught:
            await repository.manifests.get(reference)
        assert caught.value.detail == {"name": "r/r", "reference": str(reference)}


async def test_blobs_and_manifests_are_not_taken_for_each_other(repository: Repository) -> None:
    manifest = await push_image(repository, image())
    assert not await repository.layers.exists(manifest.digest)
    with pytest.raises(ManifestUnknown):
        await repository.manifests.get(Digest.of(CONFIG))


async def test_all_missing_and_wrong_references_are_told_together_and_nothing_is_stored(
    driver: StorageDriver, repository: Repository
) -> None:
    await push_blob(repository, CONFIG)
    await push_blob(repository, b"right")
    before = await all_files(driver)
    manifest = image(b"missing", b"right", b"gone")
    document = json.loads(manifest.payload)
    document["layers"][1]["size"] = 6
    with pytest.raises(ManifestFaults) as caught:
        await repository.manifests.put(image(layers=document["layers"]), [V1])
    assert [(type(one), one.detail["field"]) for one in caught.value.faults] == [
        (ManifestBlobUnknown, "layers[0]"),
        (SizeInvalid, "layers[1].size"),
        (ManifestBlobUnknown, "layers[2]"),
    ]
    assert caught.value.faults[0].detail["digest"] == str(Digest.of(b"missing"))
    assert await all_files(driver) == before


async def test_a_blob_of_another_repository_is_missing(registry: Registry) -> None:
    await push_blob(registry.repository(RepositoryName("s")), CONFIG)
    with pytest.raises(ManifestBlobUnknown):
        await registry.repository(R).manifests.put(image())


async def test_an_index_needs_its_manifests(repository: Repository) -> None:
    child = image()
    with pytest.raises(ManifestBlobUnknown):
        await repository.manifests.put(index(child))
    await push_image(repository, child)
    await repository.manifests.put(index(child), [V1])
    assert (await repository.manifests.get(V1)).payload == index(child).payload


async def test_a_sparse_manifest_is_stored_where_that_is_accepted(driver: StorageDriver) -> None:
    repository = Registry(driver, missing_references="accept").repository(R)
    await repository.manifests.put(index(image()), [V1])
    assert (await repository.manifests.get(V1)).payload == index(image()).payload
    await push_blob(repository, CONFIG)
    document = json.loads(image().payload)
    document["config"]["size"] = 9
    with pytest.raises(SizeInvalid):
        await repository.manifests.put(image(config=document["config"]))


@pytest.mark.parametrize("content", [b"", b"\n", b"sha256:abc", b"\xff"])
@pytest.mark.parametrize("place", ["tag", "revision"])
async def test_a_damaged_link_is_unknown_and_logged_until_the_next_push(
    driver: StorageDriver,
    repository: Repository,
    place: str,
    content: bytes,
    logs: list[EventDict],
) -> None:
    manifest = await push_image(repository, image(), tags=["v1"])
    tag_path = f"{REPOSITORY}/_manifests/tags/v1/current/link"
    path = tag_path if place == "tag" else revision_path(manifest.digest)
    await driver.put(path, content)
    with pytest.raises(ManifestUnknown):
        await repository.manifests.get(V1)
    assert "link is damaged" in [line["event"] for line in logs]
    await repository.manifests.put(manifest, [V1])
    assert (await repository.manifests.get(V1)).payload == manifest.payload


@pytest.mark.parametrize("content", [b"", b"{}", b"not json"])
async def test_a_damaged_manifest_is_unknown_and_logged_until_the_next_push(
    driver: StorageDriver,
    repository: Repository,
    content: bytes,
    logs: list[EventDict],
) -> None:
    manifest = await push_image(repository, image(), tags=["v1"])
    await driver.put(data_path(manifest.digest), content)
    with pytest.raises(ManifestUnknown):
        await repository.manifests.get(V1)
    assert "content is damaged" in [line["event"] for line in logs]
    await repository.manifests.put(manifest)
    assert (await repository.manifests.get(V1)).payload == manifest.payload


# Tags.


async def test_a_tag_points_where_it_was_set_last(repository: Repository) -> None:
    one, two = Digest.of(b"1"), Digest.of(b"2")
    assert await repository.tags.find(V1) is None
    await repository.tags.set(V1, one)
    await repository.tags.set(V1, two)
    assert await repository.tags.find(V1) == two
    assert [tag async for tag in repository.tags.lookup(two)] == [V1]
    assert [tag async for tag in repository.tags.lookup(one)] == []


async def test_a_removed_tag_is_gone_and_its_manifest_stays(repository: Repository) -> None:
    manifest = await push_image(repository, image(), tags=["v1", "v2"])
    await repository.tags.remove(V1)
    with pytest.raises(ManifestUnknown):
        await repository.tags.remove(V1)
    assert await list_tags(repository) == ["v2"]
    assert (await repository.manifests.get(manifest.digest)).payload == manifest.payload


async def test_tags_are_listed_in_byte_order_behind_any_text(repository: Repository) -> None:
    names = ["1.0", "1.0-rc1", "B", "_", "a", "a.b", "latest"]
    await push_image(repository, image(), tags=reversed(names))  # type: ignore[arg-type]
    assert await list_tags(repository) == names
    for start_after in ["", "1.0", "1.0-", "Z", "a", "zz", "a/b"]:
        expected = [name for name in names if name > start_after]
        assert await list_tags(repository, start_after) == expected


async def test_a_tag_directory_without_a_link_is_not_listed(
    driver: StorageDriver, repository: Repository
) -> None:
    manifest = await push_image(repository, image(), tags=["v1"])
    left = f"{REPOSITORY}/_manifests/tags/half/index/sha256/{manifest.digest.encoded}/link"
    await driver.put(left, str(manifest.digest).encode())
    await driver.put(f"{REPOSITORY}/_manifests/tags/file", b"")
    assert await list_tags(repository) == ["v1"]


async def test_a_repository_that_holds_nothing_is_unknown(registry: Registry) -> None:
    with pytest.raises(NameUnknown):
        await list_tags(registry.repository(R))
    await push_blob(registry.repository(R), b"content")
    assert await list_tags(registry.repository(R)) == []


# Deleting.


async def test_a_deleted_manifest_takes_its_tags_and_no_others(repository: Repository) -> None:
    one, two = image(), image(annotations={"a": "b"})
    await push_image(repository, one, tags=["v1", "latest"])
    await push_image(repository, two, tags=["v2"])
    await repository.manifests.delete(one.digest)
    assert await list_tags(repository) == ["v2"]
    for reference in (one.digest, V1):
        with pytest.raises(ManifestUnknown):
            await repository.manifests.get(reference)
    with pytest.raises(ManifestUnknown):
        await repository.manifests.delete(one.digest)
    await repository.manifests.put(one, [V1])
    assert await list_tags(repository) == ["v1", "v2"]
