"""Two workers on one store are one registry to its clients."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.clients.images import LayoutImage, build_image, random_bytes, sha256
from tests.clients.programs import Programs
from tests.clients.pushing import push_image
from tests.live import Service, running_registry

__all__: list[str] = []

pytestmark = [pytest.mark.clients, pytest.mark.timeout(90)]

_needs_skopeo = pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json")
_PUSHES = 8


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("workers")
    with running_registry(folder, MOORAGE_SERVER__WORKERS="2") as running:
        yield running


@pytest.fixture
def workers(service: Service) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """A client of each worker, which talks to that one and to no other."""
    first, second = _worker_processes(service)
    with _client_of(service, other=second) as one, _client_of(service, other=first) as two:
        yield one, two


def test_a_push_whose_requests_go_to_both_workers_is_whole(
    workers: tuple[httpx.Client, httpx.Client], team: str
) -> None:
    one, two = workers
    parts = [random_bytes(400_000) for _ in range(4)]
    content = b"".join(parts)
    location = one.post(f"/v2/{team}/blobs/uploads/").headers["Location"]
    for number, part in enumerate(parts):
        client = workers[(number + 1) % 2]
        added = client.patch(
            location, content=part, headers={"Content-Type": "application/octet-stream"}
        )
        assert (added.status_code, added.headers["Range"]) == (
            202,
            f"0-{(number + 1) * len(part) - 1}",
        )
        location = added.headers["Location"]
    end = httpx.URL(location).copy_merge_params({"digest": sha256(content)})
    assert two.put(end).status_code == 201
    for client in workers:
        assert client.get(f"/v2/{team}/blobs/{sha256(content)}").content == content
        assert client.get(location).status_code == 404


def test_what_one_worker_was_given_both_serve(
    workers: tuple[httpx.Client, httpx.Client], team: str
) -> None:
    for tag, client in zip(("v1", "v2"), workers, strict=True):
        push_image(client, team, tag=tag, layer=tag.encode())
        for reader in workers:
            assert reader.get(f"/v2/{team}/manifests/{tag}").status_code == 200
    for reader in workers:
        assert reader.get(f"/v2/{team}/tags/list").json()["tags"] == ["v1", "v2"]


@pytest.mark.parametrize("deleter", [0, 1])
@pytest.mark.parametrize("kind", ["tag", "manifest", "blob"])
def test_what_one_worker_deletes_is_gone_for_both_at_once(
    workers: tuple[httpx.Client, httpx.Client], team: str, deleter: int, kind: str
) -> None:
    for attempt in range(5):
        layer = f"{attempt}".encode()
        image = push_image(workers[attempt % 2], team, tag="v1", layer=layer)
        path = {
            "tag": f"/v2/{team}/manifests/v1",
            "manifest": f"/v2/{team}/manifests/{image['digest']}",
            "blob": f"/v2/{team}/blobs/{sha256(layer)}",
        }[kind]
        # Both have read it, so that either could have kept it in memory.
        for client in workers:
            assert client.get(path).status_code == 200
        assert workers[deleter].delete(path).status_code == 202
        for client in reversed(workers):
            assert client.get(path).status_code == 404
            assert client.head(path).status_code == 404


def test_a_referrer_given_to_one_worker_is_listed_by_both_until_one_deletes_it(
    workers: tuple[httpx.Client, httpx.Client], team: str
) -> None:
    one, two = workers
    subject = push_image(one, team, tag="v1", layer=b"an image")
    artifact = push_image(two, team, layer=b"about it", subject=subject)
    listing = f"/v2/{team}/referrers/{subject['digest']}"
    for client in workers:
        listed = client.get(listing).json()["manifests"]
        assert [item["digest"] for item in listed] == [artifact["digest"]]
    assert one.delete(f"/v2/{team}/manifests/{artifact['digest']}").status_code == 202
    for client in workers:
        assert client.get(listing).json()["manifests"] == []


@_needs_skopeo
def test_images_pushed_at_once_to_one_repository_are_all_there(
    service: Service, team: str, programs: Programs
) -> None:
    images = [
        build_image(programs, tag=f"v{number}", layers=_layers()) for number in range(_PUSHES)
    ]
    repository = f"{service.host}/{team}/image"
    programs.push_at_once({f"{repository}:{image.tag}": image.reference for image in images})
    assert programs.list_tags(repository) == [image.tag for image in images]
    for image in images:
        assert programs.digest(f"docker://{repository}:{image.tag}") == image.digest
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="last")
    programs.copy(f"docker://{repository}:{images[-1].tag}", pulled.reference)
    assert pulled.digest == images[-1].digest


@_needs_skopeo
def test_one_image_pushed_at_once_under_many_tags_is_whole_under_each(
    service: Service, team: str, programs: Programs
) -> None:
    image = build_image(programs, layers=_layers())
    repository = f"{service.host}/{team}/image"
    tags = [f"v{number}" for number in range(_PUSHES)]
    programs.push_at_once({f"{repository}:{tag}": image.reference for tag in tags})
    assert programs.list_tags(repository) == tags
    for tag in (tags[0], tags[-1]):
        pulled = LayoutImage(layout=programs.folder / "pulled", tag=tag)
        programs.copy(f"docker://{repository}:{tag}", pulled.reference)
        assert pulled.digest == image.digest


def _layers() -> list[dict[str, bytes]]:
    return [{"program": random_bytes(500_000)}, {"id": random_bytes(16)}]


@contextmanager
def _client_of(service: Service, *, other: int) -> Iterator[httpx.Client]:
    """Connect while the `other` worker stands still, so that it cannot take the connection."""
    limits = httpx.Limits(max_connections=1)
    with httpx.Client(base_url=service.url, trust_env=False, timeout=30, limits=limits) as client:
        os.kill(other, signal.SIGSTOP)
        try:
            connection = _connection(client)
        finally:
            os.kill(other, signal.SIGCONT)
        yield client
        # Had it been opened anew, the other worker might have taken it.
        assert _connection(client) == connection


def _connection(client: httpx.Client) -> tuple[str, int]:
    stream = client.get("/v2/").extensions["network_stream"]
    host, port = stream.get_extra_info("client_addr")
    return host, port


def _worker_processes(service: Service) -> list[int]:
    pid = service.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    found = [
        int(child)
        for child in children
        if b"multiprocessing.spawn" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    assert len(found) == 2
    return found
