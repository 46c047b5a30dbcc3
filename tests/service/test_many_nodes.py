"""Two nodes on one store behind nginx are one registry, also when one of them dies."""

import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.clients.images import random_bytes, sha256
from tests.clients.pushing import connected, push_blob, push_image
from tests.cluster import STORES, Cluster, running_cluster
from tests.live import Service
from tests.servers.nginx import running_nginx

__all__: list[str] = []

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.timeout(90), pytest.mark.slow]

_CHUNK = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module", params=STORES)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of store that the nodes share."""
    return str(request.param)


@pytest.fixture(scope="module")
def cluster(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("nodes")
    with STORES[kind](folder) as store, running_cluster(folder, store) as running:
        yield running


@pytest.fixture
def mortal(kind: str, tmp_path: Path) -> Iterator[Cluster]:
    """Nodes of which a test may kill one."""
    with STORES[kind](tmp_path) as store, running_cluster(tmp_path, store) as running:
        yield running


@pytest.fixture
def team() -> str:
    return f"team-{uuid.uuid4().hex[:12]}"


def _start(client: httpx.Client, team: str) -> httpx.Response:
    begun = client.post(f"/v2/{team}/blobs/uploads/")
    assert begun.status_code == 202
    return begun


def _finish(client: httpx.Client, location: str, content: bytes) -> httpx.Response:
    end = httpx.URL(location).copy_merge_params({"digest": sha256(content)})
    return client.put(end, headers={"Content-Length": "0"})


def test_a_push_whose_requests_reach_different_nodes_is_whole(cluster: Cluster, team: str) -> None:
    parts = [random_bytes(700_000) for _ in range(4)]
    content = b"".join(parts)
    answers = [_start(cluster.proxied, team)]
    for part in parts:
        location = answers[-1].headers["Location"]
        answers.append(cluster.proxied.patch(location, content=part, headers=_CHUNK))
        assert answers[-1].status_code == 202
        # What is not finished cannot be pulled, from either of them.
        for client in cluster.clients:
            assert client.get(f"/v2/{team}/blobs/{sha256(content)}").status_code == 404
    answers.append(_finish(cluster.proxied, answers[-1].headers["Location"], content))
    assert answers[-1].status_code == 201
    servers = [cluster.find_server(answer) for answer in answers]
    assert set(servers[1:-1]) == {0, 1}
    assert servers[0] != servers[1]
    assert servers[-1] != servers[-2]
    for client in cluster.clients:
        assert client.get(f"/v2/{team}/blobs/{sha256(content)}").content == content


def test_a_pull_during_a_push_is_not_disturbed(cluster: Cluster, team: str) -> None:
    content = random_bytes(3_000_000)
    push_blob(cluster.proxied, team, content)
    with ThreadPoolExecutor(4) as threads:
        pushes = [
            threads.submit(push_blob, cluster.proxied, team, random_bytes(2_000_000))
            for _ in range(4)
        ]
        for _ in range(20):
            pulled = cluster.proxied.get(f"/v2/{team}/blobs/{sha256(content)}")
            assert pulled.content == content
        for push in pushes:
            push.result()


@pytest.mark.parametrize("deleter", [0, 1])
@pytest.mark.parametrize("what", ["tag", "manifest", "blob"])
def test_what_one_node_deletes_is_gone_for_the_other_at_once(
    cluster: Cluster, team: str, deleter: int, what: str
) -> None:
    image = push_image(cluster.proxied, team, tag="v1", layer=b"layer")
    path = {
        "tag": f"/v2/{team}/manifests/v1",
        "manifest": f"/v2/{team}/manifests/{image['digest']}",
        "blob": f"/v2/{team}/blobs/{sha256(b'layer')}",
    }[what]
    for client in cluster.clients:
        assert client.get(path).status_code == 200
    assert cluster.clients[deleter].delete(path).status_code == 202
    for client in (cluster.clients[1 - deleter], cluster.proxied, cluster.proxied):
        assert client.head(path).status_code == 404
        assert client.get(path).status_code == 404


def test_tags_that_two_nodes_set_at_once_are_all_there(cluster: Cluster, team: str) -> None:
    rounds = range(8)
    moved: dict[int, list[str]] = {0: [], 1: []}

    def push(node: int) -> None:
        for number in rounds:
            client = cluster.clients[node]
            layer = f"{node} {number}".encode()
            push_image(client, team, tag=f"node{node}-{number}", layer=layer)
            moved[node].append(push_image(client, team, tag="moved", layer=layer)["digest"])

    with ThreadPoolExecutor(2) as threads:
        for pushing in [threads.submit(push, node) for node in (0, 1)]:
            pushing.result()
    expected = sorted([f"node{node}-{number}" for node in (0, 1) for number in rounds] + ["moved"])
    assert len(moved[0]) == len(moved[1]) == len(rounds)
    for client in cluster.clients:
        assert client.get(f"/v2/{team}/tags/list").json()["tags"] == expected
        for tag in expected:
            assert client.get(f"/v2/{team}/manifests/{tag}").status_code == 200
        current = client.head(f"/v2/{team}/manifests/moved").headers["Docker-Content-Digest"]
        assert current in {moved[0][-1], moved[1][-1]}


def test_one_digest_that_two_nodes_finish_at_once_is_whole(cluster: Cluster, team: str) -> None:
    content = random_bytes(2_000_000)
    for attempt in range(4):
        name = f"{team}/{attempt}"
        ends = []
        for client in cluster.clients:
            location = _start(client, name).headers["Location"]
            added = client.patch(location, content=content, headers=_CHUNK)
            ends.append((client, added.headers["Location"]))
        barrier = threading.Barrier(2)

        def finish(client: httpx.Client, location: str, start: threading.Barrier) -> int:
            start.wait()
            return _finish(client, location, content).status_code

        with ThreadPoolExecutor(2) as threads:
            done = [threads.submit(finish, *end, barrier) for end in ends]
        assert [future.result() for future in done] == [201, 201]
        for client in cluster.clients:
            assert client.get(f"/v2/{name}/blobs/{sha256(content)}").content == content


def test_of_two_writers_at_two_nodes_one_is_refused(cluster: Cluster, team: str) -> None:
    # Less than a block, so that none of it is stored, and the second one's offset is right.
    content = random_bytes(500_000)
    one, two = cluster.clients
    location = _start(one, team).headers["Location"]
    with _held_chunk(one, location, content) as writing:
        cluster.store.wait_for_claim(location)
        refused = two.patch(location, content=b"other bytes", headers=_CHUNK)
        assert refused.status_code == 409
        assert refused.json()["errors"][0]["code"] == "BLOB_UPLOAD_INVALID"
        # A client that learns so may ask, and is told what has come.
        assert two.get(location).status_code == 204
    assert writing.answer().status_code == 202
    assert _finish(two, writing.answer().headers["Location"], content).status_code == 201
    for client in cluster.clients:
        assert client.get(f"/v2/{team}/blobs/{sha256(content)}").content == content


def test_a_node_that_is_killed_between_chunks_is_not_missed(mortal: Cluster, team: str) -> None:
    parts = [random_bytes(300_000) for _ in range(6)]
    content = b"".join(parts)
    answer = _start(mortal.proxied, team)
    for number, part in enumerate(parts):
        answer = mortal.proxied.patch(answer.headers["Location"], content=part, headers=_CHUNK)
        assert answer.status_code == 202
        if number == 2:
            _kill(mortal.nodes[mortal.find_server(answer)])
    assert _finish(mortal.proxied, answer.headers["Location"], content).status_code == 201
    pulled = mortal.proxied.get(f"/v2/{team}/blobs/{sha256(content)}")
    assert pulled.content == content


def test_an_upload_whose_node_is_killed_inside_a_chunk_goes_on_at_the_other(
    mortal: Cluster, team: str
) -> None:
    content = random_bytes(6_000_000)
    first = mortal.proxied.patch(
        _start(mortal.proxied, team).headers["Location"], content=content[:1000], headers=_CHUNK
    )
    location = first.headers["Location"]
    with _held_chunk(mortal.proxied, location, content[1000:]):
        mortal.store.wait_for_claim(location)
        # Nginx takes turns.
        _kill(mortal.nodes[1 - mortal.find_server(first)])
        # What was acknowledged is there; what came after it may be, and is what was sent.
        told = mortal.proxied.get(location)
        assert told.status_code == 204
        received = int(told.headers["Range"].partition("-")[2]) + 1
        assert 1000 <= received <= len(content)
    rest = _write_once_free(mortal.proxied, told.headers["Location"], content[received:])
    assert rest.status_code == 202
    assert _finish(mortal.proxied, rest.headers["Location"], content).status_code == 201
    pulled = mortal.proxied.get(f"/v2/{team}/blobs/{sha256(content)}")
    assert pulled.content == content


def test_a_node_that_is_taken_out_and_told_to_stop_costs_nobody_a_request(
    mortal: Cluster, team: str, tmp_path: Path
) -> None:
    stopped = threading.Event()

    def push() -> int:
        pushes = 0
        # A connection for each request: nginx closes those that are idle when it is reloaded.
        limits = httpx.Limits(max_keepalive_connections=0)
        url = f"http://{mortal.host}"
        with httpx.Client(base_url=url, limits=limits, trust_env=False, timeout=30) as client:
            while not stopped.is_set():
                # Each of its requests has to be answered as it should be.
                push_blob(client, team, random_bytes(1000))
                pushes += 1
        return pushes

    with ThreadPoolExecutor(3) as threads:
        pushing = [threads.submit(push) for _ in range(3)]
        try:
            time.sleep(0.5)
            _take_out(tmp_path / "nginx", mortal.nodes[1])
            assert mortal.nodes[1].stop() == 0
            time.sleep(0.5)
        finally:
            stopped.set()
    assert all(future.result() > 0 for future in pushing)


def test_locations_are_paths_by_default(cluster: Cluster, team: str) -> None:
    assert _start(cluster.proxied, team).headers["Location"].startswith(f"/v2/{team}/")


def test_absolute_locations_lead_back_to_nginx_whatever_a_client_forges(
    kind: str, tmp_path: Path, team: str
) -> None:
    forged = {
        "Forwarded": "for=192.0.2.66;proto=https;host=evil.example",
        "X-Forwarded-For": "192.0.2.66",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "666",
        "X-Forwarded-Proto": "https",
    }
    with (
        STORES[kind](tmp_path) as store,
        running_cluster(tmp_path, store, locations="absolute") as cluster,
    ):
        transport = httpx.HTTPTransport(local_address="127.0.0.9")
        with httpx.Client(transport=transport, base_url=f"http://{cluster.host}") as client:
            for headers in ({}, forged):
                begun = client.post(f"/v2/{team}/blobs/uploads/", headers=headers)
                location = begun.headers["Location"]
                assert location.startswith(f"http://{cluster.host}/v2/{team}/")
                node = cluster.nodes[cluster.find_server(begun)]
                line = node.wait_for_log("request", request_id=begun.headers["X-Request-Id"])
                assert line["client"] == "127.0.0.9"
                added = client.patch(location, content=b"content", headers=_CHUNK)
                assert _finish(client, added.headers["Location"], b"content").status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "times"),
    [
        ("POST", "/v2/a/blobs/uploads/", 1),
        ("PATCH", "/v2/a/blobs/uploads/7", 1),
        ("PUT", "/v2/a/blobs/uploads/7?digest=x", 1),
        ("GET", "/v2/a/blobs/sha256:0", 2),
        ("PUT", "/v2/a/manifests/v1", 2),
    ],
)
def test_nginx_sends_nothing_twice_that_must_not_be_done_twice(
    tmp_path: Path, method: str, path: str, times: int
) -> None:
    """Both nodes take the request and die before they answer."""
    with ExitStack() as stack:
        counted: list[bytes] = []
        ports = [stack.enter_context(_dying_node(counted)) for _ in range(2)]
        port = stack.enter_context(running_nginx(tmp_path / "nginx", ports))
        client = stack.enter_context(connected(f"http://127.0.0.1:{port}"))
        assert client.request(method, path).status_code == 502
    assert [line.split()[0] for line in counted] == [method.encode()] * times


class _HeldChunk:
    """A chunk that stops before its last bytes until it is let go on."""

    def __init__(self, client: httpx.Client, location: str, content: bytes) -> None:
        self._content = content
        self._may_end = threading.Event()
        self._result: httpx.Response | None = None
        self._thread = threading.Thread(target=self._send, args=(client.base_url, location))
        self._thread.start()

    def answer(self) -> httpx.Response:
        """Give the answer, which has to have come."""
        assert self._result is not None
        return self._result

    def end(self) -> None:
        """Send the rest, and wait for the answer."""
        self._may_end.set()
        self._thread.join()

    def _send(self, url: httpx.URL, location: str) -> None:
        # The node may die, and with it the connection.
        with suppress(httpx.TransportError), connected(str(url)) as client:
            self._result = client.patch(location, content=self._pieces(), headers=_CHUNK)

    def _pieces(self) -> Iterator[bytes]:
        yield self._content[:-1000]
        self._may_end.wait(30)
        yield self._content[-1000:]


@contextmanager
def _held_chunk(client: httpx.Client, location: str, content: bytes) -> Iterator[_HeldChunk]:
    chunk = _HeldChunk(client, location, content)
    try:
        yield chunk
    finally:
        chunk.end()


def _kill(node: Service) -> None:
    node.process.send_signal(signal.SIGKILL)
    node.process.wait()


def _write_once_free(client: httpx.Client, location: str, content: bytes) -> httpx.Response:
    """Write a chunk, once the claim of a node that has died has come to its end."""
    deadline = time.monotonic() + 45
    while True:
        answer = client.patch(location, content=content, headers=_CHUNK)
        if answer.status_code != 409 or time.monotonic() > deadline:
            return answer
        time.sleep(0.5)


def _take_out(folder: Path, node: Service) -> None:
    """Mark a node as down in nginx's configuration, and wait until nginx has let go of it."""
    configuration = folder / "nginx.conf"
    line = f"server 127.0.0.1:{node.port} "
    text = configuration.read_text()
    assert text.count(line) == 1
    configuration.write_text(text.replace(line, f"{line}down "))
    master = int((folder / "nginx.pid").read_text())
    children = Path(f"/proc/{master}/task/{master}/children")
    before = set(children.read_text().split())
    os.kill(master, signal.SIGHUP)
    deadline = time.monotonic() + 10
    while before & set(children.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def _dying_node(counted: list[bytes]) -> Iterator[int]:
    """Take requests, note their first lines, and close every connection without an answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    if line := connection.recv(4096).partition(b"\r\n")[0]:
                        counted.append(line)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
