"""Layers of a repository: fetched, asked for, mounted, deleted."""

import os

import pytest
from structlog.typing import EventDict

from core.digest import SHA256, SHA384, SHA512, Algorithm, Digest
from core.drivers import StorageDriver
from core.errors import BlobUnknown
from core.storage import CHUNK_BYTES, Registry, Repository, RepositoryName
from tests.storage.pushing import ROOT, R, all_files, push_blob, read_layer

__all__: list[str] = []

S = RepositoryName("s")


def link_path(name: RepositoryName, digest: Digest) -> str:
    return f"{ROOT}/repositories/{name}/_layers/{digest.algorithm.name}/{digest.encoded}/link"


def data_path(digest: Digest) -> str:
    return f"{ROOT}/blobs/{digest.algorithm.name}/{digest.encoded[:2]}/{digest.encoded}/data"


async def test_a_pushed_layer_is_fetched(repository: Repository) -> None:
    digest = await push_blob(repository, b"content")
    layer = await repository.layers.fetch(digest)
    assert (layer.digest, layer.size) == (digest, 7)
    async with layer.open() as reader:
        assert await reader.read() == b"content"
        assert await reader.read() == b""
    assert await repository.layers.exists(digest)


async def test_a_layer_that_was_never_pushed_is_unknown(repository: Repository) -> None:
    digest = Digest.of(b"missing")
    with pytest.raises(BlobUnknown) as caught:
        await repository.layers.fetch(digest)
    assert caught.value.detail == {"digest": str(digest), "name": "r/r"}
    assert not await repository.layers.exists(digest)


async def test_a_layer_of_another_repository_is_unknown(registry: Registry) -> None:
    digest = await push_blob(registry.repository(R), b"content")
    assert not await registry.repository(S).layers.exists(digest)
    assert not await registry.repository(RepositoryName("r")).layers.exists(digest)


@pytest.mark.parametrize("algorithm", [SHA256, SHA384, SHA512])
async def test_a_layer_is_stored_under_its_own_algorithm(
    driver: StorageDriver, repository: Repository, algorithm: Algorithm
) -> None:
    digest = await push_blob(repository, b"content", algorithm)
    assert await all_files(driver) == {
        data_path(digest): b"content",
        link_path(R, digest): str(digest).encode(),
    }
    assert await read_layer(repository, digest) == b"content"


async def test_a_sha512_layer_of_the_incumbent_is_read_through_its_alias(
    driver: StorageDriver, repository: Repository
) -> None:
    alias, target = Digest.of(b"content", SHA512), Digest.of(b"content")
    await driver.put(data_path(target), b"content")
    for digest in (alias, target):
        await driver.put(link_path(R, digest), str(target).encode())
    layer = await repository.layers.fetch(alias)
    assert (layer.digest, layer.size) == (alias, 7)
    assert await read_layer(repository, alias) == b"content"


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"sha256:", b"sha256:abc", b"\xff\xfe", b"md5:" + b"a" * 32, b"a" * 9999],
)
async def test_a_damaged_link_is_unknown_and_logged_until_the_next_push(
    driver: StorageDriver,
    repository: Repository,
    content: bytes,
    logs: list[EventDict],
) -> None:
    digest = await push_blob(repository, b"content")
    await driver.put(link_path(R, digest), content)
    with pytest.raises(BlobUnknown):
        await repository.layers.fetch(digest)
    assert "link is damaged" in [line["event"] for line in logs]
    await push_blob(repository, b"content")
    assert await driver.get(link_path(R, digest)) == str(digest).encode()
    assert await read_layer(repository, digest) == b"content"


async def test_a_link_to_another_digest_is_unknown_and_logged_until_the_next_push(
    driver: StorageDriver, repository: Repository, logs: list[EventDict]
) -> None:
    digest = await push_blob(repository, b"content")
    other = await push_blob(repository, b"other")
    await driver.put(link_path(R, digest), str(other).encode())
    assert not await repository.layers.exists(digest)
    assert "link is damaged" in [line["event"] for line in logs]
    await push_blob(repository, b"content")
    assert await read_layer(repository, digest) == b"content"


async def test_a_link_with_a_line_end_is_read(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await push_blob(repository, b"content")
    await driver.put(link_path(R, digest), f"{digest}\n".encode())
    assert await repository.layers.exists(digest)


async def test_a_layer_whose_data_is_gone_is_unknown_until_the_next_push(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await push_blob(repository, b"content")
    await driver.delete(data_path(digest))
    with pytest.raises(BlobUnknown):
        await repository.layers.fetch(digest)
    await push_blob(repository, b"content")
    assert await read_layer(repository, digest) == b"content"


async def test_truncated_data_is_healed_by_a_new_push(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await push_blob(repository, b"content")
    await driver.put(data_path(digest), b"con")
    await push_blob(repository, b"content")
    assert await read_layer(repository, digest) == b"content"


# Mounting.


async def test_a_mount_links_the_layer_and_moves_no_byte(
    driver: StorageDriver, registry: Registry
) -> None:
    digest = await push_blob(registry.repository(R), b"content")
    before = await all_files(driver)
    layer = await registry.repository(S).layers.mount(digest, R)
    assert layer is not None
    assert (layer.digest, layer.size) == (digest, 7)
    added = {link_path(S, digest): str(digest).encode()}
    assert await all_files(driver) == before | added
    assert await read_layer(registry.repository(S), digest) == b"content"


async def test_a_mount_without_source_takes_the_layer_from_wherever_it_is(
    registry: Registry,
) -> None:
    digest = await push_blob(registry.repository(R), b"content")
    assert await registry.repository(S).layers.mount(digest, None) is not None
    assert await registry.repository(S).layers.exists(digest)


@pytest.mark.parametrize("source", [None, R, RepositoryName("missing")])
async def test_a_mount_of_what_the_source_has_not_makes_nothing(
    driver: StorageDriver, registry: Registry, source: RepositoryName | None
) -> None:
    digest = Digest.of(b"missing")
    assert await registry.repository(S).layers.mount(digest, source) is None
    assert await all_files(driver) == {}


async def test_a_mount_from_a_repository_that_has_not_linked_the_layer_makes_nothing(
    registry: Registry,
) -> None:
    digest = await push_blob(registry.repository(R), b"content")
    assert await registry.repository(S).layers.mount(digest, RepositoryName("r")) is None
    assert not await registry.repository(S).layers.exists(digest)


async def test_a_mount_of_an_alias_is_an_alias(driver: StorageDriver, registry: Registry) -> None:
    alias, target = Digest.of(b"content", SHA512), Digest.of(b"content")
    await push_blob(registry.repository(R), b"content")
    await driver.put(link_path(R, alias), str(target).encode())
    assert await registry.repository(S).layers.mount(alias, R) is not None
    assert await driver.get(link_path(S, alias)) == str(target).encode()
    assert await read_layer(registry.repository(S), alias) == b"content"


# Deleting.


async def test_a_deleted_layer_is_unknown_here_and_stays_elsewhere(registry: Registry) -> None:
    digest = await push_blob(registry.repository(R), b"content")
    await registry.repository(S).layers.mount(digest, R)
    await registry.repository(R).layers.delete(digest)
    assert not await registry.repository(R).layers.exists(digest)
    assert await read_layer(registry.repository(S), digest) == b"content"
    with pytest.raises(BlobUnknown):
        await registry.repository(R).layers.delete(digest)
    await push_blob(registry.repository(R), b"content")
    assert await registry.repository(R).layers.exists(digest)


# Reading.


async def test_a_reader_seeks_and_tells(repository: Repository) -> None:
    content = bytes(range(256)) * 1024
    layer = await repository.layers.fetch(await push_blob(repository, content))
    async with layer.open() as reader:
        assert reader.size == len(content)
        assert await reader.read(10) == content[:10]
        assert reader.tell() == 10
        assert await reader.seek(100_000) == 100_000
        assert await reader.read(5) == content[100_000:100_005]
        assert await reader.seek(-5, os.SEEK_CUR) == 100_000
        assert await reader.read(5) == content[100_000:100_005]
        assert await reader.seek(-3, os.SEEK_END) == len(content) - 3
        assert await reader.read(5) == content[-3:]
        assert await reader.read(5) == b""
        assert await reader.seek(0) == 0
        assert await reader.read(1) == content[:1]


async def test_a_seek_past_the_end_reads_as_the_end(repository: Repository) -> None:
    layer = await repository.layers.fetch(await push_blob(repository, b"content"))
    async with layer.open() as reader:
        assert await reader.seek(1000) == 1000
        assert await reader.read() == b""
        assert await reader.seek(1, os.SEEK_END) == 8
        assert await reader.read() == b""
        assert await reader.seek(-8, os.SEEK_CUR) == 0
        assert await reader.read() == b"content"


async def test_a_seek_before_the_start_is_refused_and_moves_nothing(repository: Repository) -> None:
    layer = await repository.layers.fetch(await push_blob(repository, b"content"))
    async with layer.open() as reader:
        await reader.seek(3)
        for offset, whence in ((-1, os.SEEK_SET), (-4, os.SEEK_CUR), (-8, os.SEEK_END), (0, 7)):
            with pytest.raises(ValueError, match=r"before the start|unknown whence"):
                await reader.seek(offset, whence)
        assert await reader.read() == b"tent"


async def test_a_reader_of_a_file_that_is_gone_reads_nothing(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await push_blob(repository, b"content")
    layer = await repository.layers.fetch(digest)
    await driver.delete(data_path(digest))
    async with layer.open() as reader:
        assert await reader.read() == b""
        assert [chunk async for chunk in reader.chunks()] == []


@pytest.mark.parametrize(("start", "stop"), [(0, None), (1, 5), (7, None), (9, 20), (3, 3)])
async def test_a_range_of_a_layer_is_read(
    repository: Repository, start: int, stop: int | None
) -> None:
    layer = await repository.layers.fetch(await push_blob(repository, b"content"))
    async with layer.open() as reader:
        chunks = [chunk async for chunk in reader.chunks(start, stop)]
    assert b"".join(chunks) == b"content"[start:stop]


async def test_a_large_layer_is_read_in_bounded_chunks(repository: Repository) -> None:
    content = os.urandom(3 * CHUNK_BYTES + 7)
    layer = await repository.layers.fetch(await push_blob(repository, content))
    async with layer.open() as reader:
        chunks = [chunk async for chunk in reader.chunks()]
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= CHUNK_BYTES
