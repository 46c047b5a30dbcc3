"""Two nodes on one store with a shared Redis: it saves requests to the store, and never lies."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.clients.images import random_bytes, sha256
from tests.clients.pushing import connected
from tests.live import running_registry
from tests.servers.redis import RedisServer, running_redis

__all__: list[str] = []

pytestmark = pytest.mark.needs("redis-server")

_TEAM = "team/cached"
_Nodes = tuple[httpx.Client, httpx.Client]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cached")


@pytest.fixture(scope="module")
def redis(folder: Path) -> Iterator[RedisServer]:
    with running_redis(folder) as server:
        yield server


@pytest.fixture(scope="module")
def nodes(folder: Path, redis: RedisServer) -> Iterator[_Nodes]:
    variables = {"MOORAGE_CACHE__DRIVER": "redis", "MOORAGE_CACHE__REDIS_URL": redis.url}
    with (
        running_registry(folder, root=folder / "data", name="one", **variables) as one,
        running_registry(folder, root=folder / "data", name="two", **variables) as two,
        connected(one.url) as first,
        connected(two.url) as second,
    ):
        yield first, second


@pytest.fixture
def store(folder: Path) -> Path:
    return folder / "data" / "docker/registry/v2"


def _push(client: httpx.Client, content: bytes) -> str:
    digest = sha256(content)
    pushed = client.post(f"/v2/{_TEAM}/blobs/uploads/?digest={quote(digest)}", content=content)
    assert pushed.status_code == 201
    return f"/v2/{_TEAM}/blobs/{digest}"


def _data(store: Path, path: str) -> Path:
    encoded = path.rpartition(":")[2]
    return store / "blobs/sha256" / encoded[:2] / encoded / "data"


def _manifest(content: bytes) -> bytes:
    descriptor = {"digest": sha256(content), "size": len(content)}
    config = {**descriptor, "mediaType": "application/vnd.oci.image.config.v1+json"}
    media_type = "application/vnd.oci.image.manifest.v1+json"
    return json.dumps(
        {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}
    ).encode()


def test_what_one_node_read_another_knows(nodes: _Nodes, store: Path) -> None:
    content = random_bytes(1000)
    path = _push(nodes[0], content)
    assert nodes[0].get(path).content == content
    data = _data(store, path)
    hidden = data.rename(data.with_name("hidden"))
    # Without the content, only the cache can tell its size.
    assert nodes[1].head(path).headers["Content-Length"] == "1000"
    hidden.rename(data)
    assert nodes[1].get(path).content == content


def test_a_link_that_one_node_deletes_is_gone_for_the_other_at_once(nodes: _Nodes) -> None:
    for deleter in (0, 1):
        path = _push(nodes[deleter], random_bytes(1000))
        for client in nodes:
            assert client.get(path).status_code == 200
        assert nodes[deleter].delete(path).status_code == 202
        for client in nodes:
            assert client.head(path).status_code == 404
            assert client.get(path).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=10-19"}])
def test_content_that_was_deleted_is_missed_by_the_first_pull_and_then_by_all(
    nodes: _Nodes, store: Path, headers: dict[str, str]
) -> None:
    path = _push(nodes[0], random_bytes(1000))
    for client in nodes:
        assert client.head(path).status_code == 200
    _data(store, path).unlink()
    missed = nodes[0].get(path, headers=headers)
    assert (missed.status_code, missed.json()["errors"][0]["code"]) == (404, "BLOB_UNKNOWN")
    for client in nodes:
        assert client.head(path).status_code == 404


def test_no_manifest_is_taken_on_the_word_of_the_cache(nodes: _Nodes, store: Path) -> None:
    content = random_bytes(1000)
    path = _push(nodes[0], content)
    assert nodes[0].head(path).status_code == 200
    _data(store, path).unlink()
    assert nodes[1].head(path).status_code == 200
    refused = nodes[1].put(f"/v2/{_TEAM}/manifests/v1", content=_manifest(content))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (
        400,
        "MANIFEST_BLOB_UNKNOWN",
    )
    # The client that tries again is told to push the content, and then succeeds.
    assert nodes[0].head(path).status_code == 404
    assert _push(nodes[0], content) == path
    assert nodes[1].put(f"/v2/{_TEAM}/manifests/v1", content=_manifest(content)).status_code == 201


def test_nothing_is_mounted_on_the_word_of_the_cache(nodes: _Nodes, store: Path) -> None:
    path = _push(nodes[0], random_bytes(1000))
    assert nodes[0].head(path).status_code == 200
    _data(store, path).unlink()
    digest = path.rpartition("/")[2]
    mounted = nodes[1].post(f"/v2/{_TEAM}-2/blobs/uploads/?mount={digest}&from={_TEAM}")
    assert mounted.status_code == 202


def test_content_that_a_push_healed_is_pulled_whole(nodes: _Nodes, store: Path) -> None:
    content = random_bytes(1000)
    path = _push(nodes[0], content)
    _data(store, path).write_bytes(content[:500])
    assert nodes[0].head(path).headers["Content-Length"] == "500"
    assert _push(nodes[1], content) == path
    first = nodes[0].get(path)
    assert first.status_code == 503
    assert first.headers["Retry-After"]
    for client in nodes:
        assert client.get(path).content == content


def test_pushes_and_pulls_go_on_while_redis_hangs(nodes: _Nodes, redis: RedisServer) -> None:
    content = random_bytes(1000)
    path = _push(nodes[0], content)
    assert nodes[0].get(path).content == content
    redis.process.send_signal(signal.SIGSTOP)
    try:
        assert nodes[0].get(path).content == content
        started = time.monotonic()
        for _ in range(20):
            assert nodes[0].get(path).content == content
        # Each of them would wait a quarter of a second without the breaker.
        assert time.monotonic() - started < 2
        more = random_bytes(1000)
        assert nodes[1].get(_push(nodes[0], more)).content == more
    finally:
        redis.process.send_signal(signal.SIGCONT)
