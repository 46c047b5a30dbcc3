"""Hashes that go on where another node left them: nothing is read back that was hashed before."""

import pytest

from core.digest import SHA256, SHA512, Digest, Digester, resumable
from core.drivers import StorageDriver
from core.errors import DigestMismatch, DriverUnavailable
from core.storage import CHUNK_BYTES, Registry, Repository
from tests.faulty import Call, FaultyDriver, failing
from tests.storage.pushing import ROOT, R, all_files, assert_whole, read_layer, stream

__all__: list[str] = []

PARTS = [bytes([number]) * (CHUNK_BYTES + 7 * number) for number in range(1, 4)]
CONTENT = b"".join(PARTS)
DIGEST = Digest.of(CONTENT)


class Watched(FaultyDriver):
    """Counts what is read of uploads."""

    def __init__(self, driver: StorageDriver) -> None:
        super().__init__(driver)
        self.data_reads = 0
        self.on_call = self._count

    async def _count(self, call: Call) -> None:
        if call.moment == "before" and call.method == "open_reader":
            self.data_reads += call.path.endswith("/data") and "/_uploads/" in call.path


@pytest.fixture
def watched(driver: StorageDriver) -> Watched:
    return Watched(driver)


def another_node(driver: StorageDriver) -> Repository:
    """Return the repository as a node has it that shares nothing but the store."""
    return Registry(driver).repository(R)


def state_path(upload_id: str, size: int) -> str:
    return f"{ROOT}/repositories/{R}/_uploads/{upload_id}/hashstates/sha256/{size}"


async def patch(driver: StorageDriver, upload_id: str, *chunks: bytes) -> None:
    async with await another_node(driver).layers.resume(upload_id) as upload:
        await upload.read_from(stream(*chunks))


async def begin(driver: StorageDriver, *parts: bytes) -> str:
    """Start an upload, and add each part by a node of its own."""
    async with await another_node(driver).layers.upload() as upload:
        upload_id = upload.upload_id
    for part in parts:
        await patch(driver, upload_id, part)
    return upload_id


async def finish(driver: StorageDriver, upload_id: str, digest: Digest = DIGEST) -> None:
    repository = another_node(driver)
    async with await repository.layers.resume(upload_id, digest.algorithm) as upload:
        await upload.finish(digest)


async def test_chunks_that_reach_different_nodes_are_never_read_back(watched: Watched) -> None:
    upload_id = await begin(watched, *PARTS)
    await finish(watched, upload_id)
    assert watched.data_reads == 0
    assert await read_layer(another_node(watched), DIGEST) == CONTENT
    await assert_whole(watched)


async def test_the_last_chunk_may_come_with_the_end(watched: Watched) -> None:
    upload_id = await begin(watched, *PARTS[:2])
    async with await another_node(watched).layers.resume(upload_id) as upload:
        await upload.finish_with(stream(PARTS[2]), DIGEST)
    assert watched.data_reads == 0
    assert await read_layer(another_node(watched), DIGEST) == CONTENT


async def test_a_state_is_that_of_the_incumbent(driver: StorageDriver) -> None:
    upload_id = await begin(driver, *PARTS[:2])
    size = len(PARTS[0]) + len(PARTS[1])
    digester = Digester(SHA256)
    digester.update(PARTS[0] + PARTS[1])
    assert await driver.get(state_path(upload_id, size)) == digester.state()
    assert len(await driver.get(state_path(upload_id, len(PARTS[0])))) == 108


async def test_the_states_go_with_the_upload(driver: StorageDriver) -> None:
    upload_id = await begin(driver, *PARTS)
    await finish(driver, upload_id)
    cancelled = await begin(driver, *PARTS)
    async with await another_node(driver).layers.resume(cancelled) as upload:
        await upload.cancel()
    assert not [path for path in await all_files(driver) if "/_uploads/" in path]


@pytest.mark.parametrize("state", [b"", b"junk", bytes(108)])
async def test_content_is_read_again_where_its_state_is_damaged(
    watched: Watched, state: bytes
) -> None:
    upload_id = await begin(watched, *PARTS)
    await watched.put(state_path(upload_id, len(CONTENT)), state)
    await finish(watched, upload_id)
    assert watched.data_reads > 0
    assert await read_layer(another_node(watched), DIGEST) == CONTENT


async def test_content_is_read_again_where_its_state_is_missing(watched: Watched) -> None:
    upload_id = await begin(watched, *PARTS)
    await watched.delete(state_path(upload_id, len(CONTENT)))
    await finish(watched, upload_id)
    assert watched.data_reads > 0
    assert await read_layer(another_node(watched), DIGEST) == CONTENT


async def test_content_is_read_again_for_another_algorithm(watched: Watched) -> None:
    upload_id = await begin(watched, *PARTS)
    digest = Digest.of(CONTENT, SHA512)
    await finish(watched, upload_id, digest)
    assert watched.data_reads > 0
    assert await read_layer(another_node(watched), digest) == CONTENT


async def test_wrong_content_is_found_with_a_state_and_without(watched: Watched) -> None:
    for keeps_state in (True, False):
        upload_id = await begin(watched, *PARTS)
        if not keeps_state:
            await watched.delete(state_path(upload_id, len(CONTENT)))
        with pytest.raises(DigestMismatch):
            await finish(watched, upload_id, Digest.of(b"other"))
    assert not await all_files(watched)


async def test_a_state_that_cannot_be_kept_is_no_failure(watched: Watched) -> None:
    count = watched.on_call
    upload_id = await begin(watched, *PARTS[:2])
    watched.on_call = failing("put", str(len(CONTENT)))
    await patch(watched, upload_id, PARTS[2])
    watched.on_call = count
    await finish(watched, upload_id)
    assert watched.data_reads > 0
    assert await read_layer(another_node(watched), DIGEST) == CONTENT


async def test_no_state_is_kept_of_bytes_that_were_not_made_durable(watched: Watched) -> None:
    upload_id = await begin(watched, *PARTS[:2])
    watched.on_call = failing("writer.flush")
    with pytest.raises(DriverUnavailable):
        await patch(watched, upload_id, PARTS[2])
    assert not any(call == f"put {state_path(upload_id, len(CONTENT))}" for call in watched.calls)


async def test_a_state_is_kept_before_anyone_else_can_go_on(watched: Watched) -> None:
    upload_id = await begin(watched, *PARTS)
    calls = [call.partition(" ")[0] for call in watched.calls if upload_id in call]
    assert calls[-2:] == ["writer.flush", "put"]


async def test_the_state_of_little_content_is_not_kept(watched: Watched) -> None:
    content = b"x" * (CHUNK_BYTES - 1)
    upload_id = await begin(watched, content)
    assert not any("hashstates" in path for path in await all_files(watched))
    await finish(watched, upload_id, Digest.of(content))
    assert watched.data_reads == 1


async def test_without_resumable_hashes_content_is_read_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "_find_functions", lambda _: None)
    upload_id = await begin(watched, *PARTS)
    assert not any("hashstates" in path for path in await all_files(watched))
    await finish(watched, upload_id)
    assert watched.data_reads > 0
    assert await read_layer(another_node(watched), DIGEST) == CONTENT
