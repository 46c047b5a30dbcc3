"""Layers that are named by tarsum: pushed today, and found in a store of that time."""

from collections.abc import AsyncIterator

import pytest
from anyio import move_on_after, sleep_forever

from core.digest import SHA512, Digest, get_algorithm
from core.drivers import StorageDriver
from core.errors import (
    ArchiveInvalid,
    ArchiveTruncated,
    BlobUnknown,
    DigestMismatch,
    DigestUnsupported,
    SizeInvalid,
    UploadBusy,
    UploadUnknown,
)
from core.storage import Registry, Repository, RepositoryName, paths
from core.storage.names import parse_reference
from tests.digest.tarsum.archives import END, entry
from tests.storage.pushing import ROOT, R, all_files, push_blob, read_layer, stream

__all__: list[str] = []

V1 = get_algorithm("tarsum.v1+sha256")
S = RepositoryName("s")
SMALL = entry(b"a.txt", b"hello\n") + END
TARSUM = "9cc6f97c6d28b3d02011cde70ea30b3f72c50f8fcf948f1de3e0e314c73755bd"
"""What the library of the time gave for an archive with this file alone."""

LARGE = entry(b"a", bytes(range(256)) * 12_000) + entry(b"b", b"b" * 100) + END
MEDIUM = entry(b"a", bytes(range(256)) * 400) + END
ARCHIVES = pytest.mark.parametrize(
    "archive", [SMALL, MEDIUM, LARGE], ids=["small", "medium", "large"]
)


def tarsum_of(archive: bytes) -> Digest:
    return Digest.of(archive, V1)


def links_of(name: RepositoryName, archive: bytes) -> dict[str, bytes]:
    content, tarsum = Digest.of(archive), tarsum_of(archive)
    layers = f"{ROOT}/repositories/{name}/_layers"
    return {
        f"{layers}/sha256/{content.encoded}/link": str(content).encode(),
        f"{layers}/tarsum/v1/sha256/{tarsum.encoded}/link": str(content).encode(),
    }


def stored_of(name: RepositoryName, archive: bytes) -> dict[str, bytes]:
    """What there is in a store in which a repository has this archive and nothing else."""
    content = Digest.of(archive).encoded
    return {f"{ROOT}/blobs/sha256/{content[:2]}/{content}/data": archive, **links_of(name, archive)}


async def put_as_of_old(driver: StorageDriver, name: RepositoryName, archive: bytes) -> Digest:
    """Store an archive as the registries of the time did."""
    digest = tarsum_of(archive)
    hexadecimal = digest.encoded
    await driver.put(f"{ROOT}/blobs/tarsum/v1/sha256/{hexadecimal[:2]}/{hexadecimal}/data", archive)
    await driver.put(
        f"{ROOT}/repositories/{name}/_layers/tarsum/v1/sha256/{hexadecimal}/link",
        str(digest).encode(),
    )
    return digest


# Pushing.


def test_the_tarsum_of_these_tests_is_that_of_the_time() -> None:
    assert str(tarsum_of(SMALL)) == f"tarsum.v1+sha256:{TARSUM}"


@ARCHIVES
async def test_an_archive_is_stored_once_and_linked_under_both_digests(
    driver: StorageDriver, repository: Repository, archive: bytes
) -> None:
    async with await repository.layers.upload(V1) as upload:
        layer = await upload.finish_with(stream(archive), tarsum_of(archive))
    assert (layer.digest, layer.identity) == (tarsum_of(archive), Digest.of(archive))
    assert layer.size == len(archive)
    assert await all_files(driver) == stored_of(R, archive)
    for digest in (tarsum_of(archive), Digest.of(archive)):
        assert await read_layer(repository, digest) == archive
        assert (await repository.layers.fetch(digest)).identity == Digest.of(archive)


@ARCHIVES
async def test_an_archive_can_come_in_one_go(
    driver: StorageDriver, repository: Repository, archive: bytes
) -> None:
    layer = await repository.layers.push(stream(archive), tarsum_of(archive), len(archive))
    assert layer.identity == Digest.of(archive)
    assert await all_files(driver) == stored_of(R, archive)


@ARCHIVES
@pytest.mark.parametrize("cut", [1, 700, 1500])
async def test_an_archive_can_come_in_chunks_that_knew_of_no_tarsum(
    driver: StorageDriver, repository: Repository, archive: bytes, cut: int
) -> None:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(archive[:cut]))
    async with await repository.layers.resume(upload.upload_id, V1) as again:
        await again.finish_with(stream(archive[cut:]), tarsum_of(archive))
    assert await all_files(driver) == stored_of(R, archive)


@pytest.mark.parametrize("name", ["tarsum+md5", "tarsum+sha256", "tarsum.v1+sha512"])
async def test_other_versions_and_hashes_end_an_upload_too(
    driver: StorageDriver, repository: Repository, name: str
) -> None:
    digest = await push_blob(repository, SMALL, get_algorithm(name))
    version, _, hash_name = name.partition("+")
    label = "v1" if version.endswith("v1") else "v0"
    link = f"{ROOT}/repositories/{R}/_layers/tarsum/{label}/{hash_name}/{digest.encoded}/link"
    assert (await all_files(driver))[link] == str(Digest.of(SMALL)).encode()
    assert await read_layer(repository, digest) == SMALL


async def test_all_bytes_are_kept_those_behind_the_archive_too(repository: Repository) -> None:
    archive = SMALL + b"behind"
    assert await push_blob(repository, archive, V1) == tarsum_of(SMALL)
    assert await read_layer(repository, tarsum_of(SMALL)) == archive


@pytest.mark.parametrize("content", [b"", bytes(1024), bytes(10_240)])
async def test_nothing_and_zeros_are_the_empty_archive(
    repository: Repository, content: bytes
) -> None:
    digest = await push_blob(repository, content, V1)
    assert digest.encoded == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert await read_layer(repository, digest) == content


async def test_the_latest_of_two_pushes_with_one_tarsum_is_pulled(repository: Repository) -> None:
    later = entry(b"a.txt", b"hello\n", mtime=b"12334447000\0") + END
    assert tarsum_of(later) == tarsum_of(SMALL)
    for archive in (SMALL, later):
        await push_blob(repository, archive, V1)
        layer = await repository.layers.fetch(tarsum_of(SMALL))
        assert layer.identity == Digest.of(archive)
    assert await read_layer(repository, Digest.of(SMALL)) == SMALL


# Pushes that fail.


@ARCHIVES
async def test_a_wrong_tarsum_ends_the_upload(
    driver: StorageDriver, repository: Repository, archive: bytes
) -> None:
    other = tarsum_of(entry(b"other") + END)
    async with await repository.layers.upload(V1) as upload:
        with pytest.raises(DigestMismatch) as caught:
            await upload.finish_with(stream(archive), other)
    assert caught.value.detail["actual"] == str(tarsum_of(archive))
    with pytest.raises(DigestMismatch):
        await repository.layers.push(stream(archive), other)
    assert await all_files(driver) == {}


@pytest.mark.parametrize("size", [600, 100_000, 3_000_000])
async def test_what_is_no_archive_ends_the_upload(
    driver: StorageDriver, repository: Repository, size: int
) -> None:
    async with await repository.layers.upload(V1) as upload:
        with pytest.raises(ArchiveInvalid, match="checksum") as caught:
            await upload.finish_with(stream(b"x" * size), tarsum_of(SMALL))
    assert caught.value.detail["digest"] == str(tarsum_of(SMALL))
    with pytest.raises(UploadUnknown):
        await repository.layers.resume(upload.upload_id)
    assert await all_files(driver) == {}


@ARCHIVES
async def test_an_upload_of_which_the_end_is_missing_goes_on(
    driver: StorageDriver, repository: Repository, archive: bytes
) -> None:
    cut = 514
    digest = tarsum_of(archive)
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(archive[:cut]))
    async with await repository.layers.resume(upload.upload_id, V1) as again:
        with pytest.raises(ArchiveTruncated, match="inside the content") as caught:
            await again.finish(digest)
    assert caught.value.detail["digest"] == str(digest)
    async with await repository.layers.resume(upload.upload_id, V1) as again:
        assert again.offset == cut
        await again.finish_with(stream(archive[cut:]), digest, start=cut)
    assert await all_files(driver) == stored_of(R, archive)


@pytest.mark.parametrize("size", [514, 100_000, 3_000_000])
async def test_a_cut_push_in_one_request_leaves_the_upload(
    repository: Repository, size: int
) -> None:
    async with await repository.layers.upload() as upload:
        with pytest.raises(ArchiveTruncated):
            await upload.finish_with(stream(LARGE[:size]), tarsum_of(LARGE))
    async with await repository.layers.resume(upload.upload_id, V1) as again:
        await again.finish_with(stream(LARGE[again.offset :]), tarsum_of(LARGE))
    assert await read_layer(repository, tarsum_of(LARGE)) == LARGE


async def test_a_push_in_one_go_that_fails_leaves_nothing(
    driver: StorageDriver, repository: Repository
) -> None:
    with pytest.raises(ArchiveTruncated):
        await repository.layers.push(stream(LARGE[:100_000]), tarsum_of(LARGE))
    with pytest.raises(SizeInvalid):
        await repository.layers.push(stream(LARGE), tarsum_of(LARGE), len(LARGE) + 1)
    assert await all_files(driver) == {}


@ARCHIVES
async def test_a_push_in_one_go_that_is_cancelled_leaves_nothing(
    driver: StorageDriver, repository: Repository, archive: bytes
) -> None:
    async def stall() -> AsyncIterator[bytes]:
        for start in range(0, len(archive), 100_000):
            yield archive[start : start + 100_000]
        await sleep_forever()

    with move_on_after(0.3) as scope:
        await repository.layers.push(stall(), tarsum_of(archive))
    assert scope.cancelled_caught
    assert await all_files(driver) == {}


@ARCHIVES
async def test_of_two_writers_the_second_is_refused_and_the_first_goes_on(
    driver: StorageDriver, repository: Repository, archive: bytes
) -> None:
    async with await repository.layers.upload(V1) as first:
        await first.read_from(stream(archive[:600]))
        async with await repository.layers.resume(first.upload_id, V1) as second:
            with pytest.raises(UploadBusy):
                await second.finish_with(stream(archive), tarsum_of(archive))
        await first.finish_with(stream(archive[600:]), tarsum_of(archive))
    assert await all_files(driver) == stored_of(R, archive)


# Pulling, mounting and deleting.


async def test_a_layer_of_that_time_is_served_as_it_is(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await put_as_of_old(driver, R, SMALL)
    layer = await repository.layers.fetch(digest)
    assert (layer.digest, layer.identity, layer.size) == (digest, digest, len(SMALL))
    assert await read_layer(repository, digest) == SMALL
    assert await repository.layers.exists(digest)
    assert not await repository.layers.exists(Digest.of(SMALL))


async def test_a_push_beside_a_layer_of_that_time_leaves_its_bytes_alone(
    driver: StorageDriver, repository: Repository
) -> None:
    later = entry(b"a.txt", b"hello\n", mtime=b"12334447000\0") + END
    digest = await put_as_of_old(driver, R, SMALL)
    assert await push_blob(repository, later, V1) == digest
    files = await all_files(driver)
    assert files[paths.blob_data(digest)] == SMALL
    assert await read_layer(repository, digest) == later


async def test_a_mounted_layer_has_both_digests_too(
    driver: StorageDriver, registry: Registry
) -> None:
    digest = await push_blob(registry.repository(R), SMALL, V1)
    target = registry.repository(S)
    layer = await target.layers.mount(digest, R)
    assert layer is not None
    assert layer.identity == Digest.of(SMALL)
    assert await all_files(driver) == {**stored_of(R, SMALL), **links_of(S, SMALL)}


@pytest.mark.parametrize("source", [R, None])
async def test_a_layer_of_that_time_is_mounted_as_it_is(
    driver: StorageDriver, registry: Registry, source: RepositoryName | None
) -> None:
    digest = await put_as_of_old(driver, R, SMALL)
    layer = await registry.repository(S).layers.mount(digest, source)
    assert layer is not None
    assert layer.identity == digest
    assert await read_layer(registry.repository(S), digest) == SMALL


async def test_each_digest_of_a_layer_is_deleted_apart(repository: Repository) -> None:
    digest = await push_blob(repository, SMALL, V1)
    await repository.layers.delete(digest)
    assert not await repository.layers.exists(digest)
    with pytest.raises(BlobUnknown):
        await repository.layers.delete(digest)
    assert await read_layer(repository, Digest.of(SMALL)) == SMALL


async def test_a_layer_of_that_time_is_deleted(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await put_as_of_old(driver, R, SMALL)
    await repository.layers.delete(digest)
    with pytest.raises(BlobUnknown):
        await repository.layers.fetch(digest)


@pytest.mark.parametrize("linked", [Digest.of(SMALL), Digest.of(SMALL, SHA512)])
async def test_a_link_to_bytes_that_holds_a_tarsum_counts_as_missing(
    driver: StorageDriver, repository: Repository, linked: Digest
) -> None:
    digest = await put_as_of_old(driver, R, SMALL)
    await driver.put(paths.layer_link(R, linked), str(digest).encode())
    assert not await repository.layers.exists(linked)


def test_no_manifest_is_named_by_a_tarsum() -> None:
    with pytest.raises(DigestUnsupported, match="names a layer"):
        parse_reference(str(tarsum_of(SMALL)))
