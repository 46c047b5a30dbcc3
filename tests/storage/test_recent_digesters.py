"""What a process remembers of the digests of uploads never decides what is stored."""

from collections.abc import AsyncIterator

import pytest

from core.digest import SHA256, SHA512, Digest, Digester
from core.drivers import CheckedDriver, StorageDriver
from core.errors import DigestMismatch
from core.storage import Registry
from core.storage.recent_digesters import RecentDigesters
from tests.storage.conftest import FlatDriver
from tests.storage.pushing import R, read_layer, stream

__all__: list[str] = []

CONTENT = b"first second"


def digester_of(content: bytes) -> Digester:
    digester = Digester(SHA256)
    digester.update(content)
    return digester


def test_a_digest_is_given_once_and_only_for_what_it_is_of() -> None:
    recent = RecentDigesters()
    for size, algorithm in ((4, SHA256), (3, SHA512)):
        recent.keep("/a", digester_of(b"abc"))
        assert recent.take("/a", algorithm, size) is None
        assert recent.take("/a", SHA256, 3) is None
    recent.keep("/a", digester_of(b"abc"))
    found = recent.take("/a", SHA256, 3)
    assert found is not None
    assert found.digest() == Digest.of(b"abc")
    assert recent.take("/a", SHA256, 3) is None


def test_of_very_many_digests_the_last_are_kept() -> None:
    recent = RecentDigesters()
    for number in range(2000):
        recent.keep(f"/{number}", digester_of(b"abc"))
    assert recent.take("/0", SHA256, 3) is None
    assert recent.take("/1999", SHA256, 3) is not None


@pytest.fixture
async def flat() -> AsyncIterator[StorageDriver]:
    driver = CheckedDriver(FlatDriver())
    yield driver
    await driver.aclose()


async def push_by_turns(flat: StorageDriver, digest: Digest) -> Registry:
    """Send the content through two nodes by turns, and finish it at the first."""
    nodes = [Registry(flat), Registry(flat)]
    upload = await nodes[0].repository(R).layers.upload()
    for node, chunk in zip((0, 1), (b"first ", b"second"), strict=True):
        async with await nodes[node].repository(R).layers.resume_writing(upload.upload_id) as one:
            await one.read_from(stream(chunk))
    async with await nodes[0].repository(R).layers.resume_writing(upload.upload_id) as one:
        await one.finish(digest)
    return nodes[1]


async def test_what_another_node_added_is_part_of_the_digest(flat: StorageDriver) -> None:
    digest = Digest.of(CONTENT)
    node = await push_by_turns(flat, digest)
    assert await read_layer(node.repository(R), digest) == CONTENT


async def test_the_digest_of_what_came_to_this_node_alone_is_refused(flat: StorageDriver) -> None:
    with pytest.raises(DigestMismatch):
        await push_by_turns(flat, Digest.of(b"first "))
    assert not await Registry(flat).repository(R).layers.exists(Digest.of(b"first "))
