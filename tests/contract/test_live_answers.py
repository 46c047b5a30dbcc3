"""Every answer of a running registry, held against the contract."""

import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.openapi import render_contract
from api.settings import Settings
from core.drivers.base import Entry, ObjectInfo, RedirectMethod
from core.drivers.memory import MemoryDriver
from core.errors import DriverUnavailable, StorageFull
from core.manifest import OCI_INDEX, OCI_MANIFEST
from tests.contract.checker import Contract, Seen
from tests.live import Service, running_registry, wait_for_claim

__all__: list[str] = []

_CONTRACT = Contract(json.loads(render_contract()))
_NAME = "/v2/team/app"
_OTHER_NAME = "/v2/base/alpine"
_BAD_NAME = "/v2/Team/App"
_LAYER = b"a layer" * 100
_CONFIG = b"{}"
_UNKNOWN = f"sha256:{'0' * 64}"
_TOKEN_OPERATIONS = {"getToken", "postToken", "getTokenKeys"}
"""Of a registry that is its own token server; `tests/access` asks them."""

_NO_UPLOAD = "7b7c61a5-2ab0-4f6c-a5c3-0b1f2a64f4b5"


class _Tour:
    """A client of a registry that checks each answer, and remembers what it has seen."""

    def __init__(self, service: Service, root: Path, client: httpx.Client) -> None:
        self.service = service
        self.root = root
        self.seen: set[Seen] = set()
        self._client = client

    def ask(
        self,
        method: str,
        path: str,
        expected: int,
        *,
        content: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        answer = self._client.request(method, path, content=content, headers=headers)
        assert answer.status_code == expected, f"{method} {path}: {answer.text}"
        self.seen.add(_CONTRACT.check(answer))
        return answer

    def start(self) -> str:
        location = self.ask("POST", f"{_NAME}/blobs/uploads/", 202).headers["location"]
        assert isinstance(location, str)
        return location

    def push(self, content: bytes, name: str = _NAME) -> str:
        digest = _digest(content)
        self.ask("POST", f"{name}/blobs/uploads/?digest={digest}", 201, content=content)
        return digest


@contextmanager
def _touring(folder: Path, name: str, **settings: str) -> Iterator[_Tour]:
    with (
        running_registry(folder, name=name, root=folder / name, **settings) as service,
        httpx.Client(base_url=service.url) as client,
    ):
        yield _Tour(service, folder / name, client)


@pytest.mark.timeout(60)
def test_every_answer_of_a_tour_is_as_declared_and_every_declared_one_is_on_it(
    tmp_path: Path,
) -> None:
    """What takes another storage, access control or limits is left to other tests."""
    with _touring(tmp_path, "registry") as tour:
        _visit_registry(tour)
        _push_blobs(tour)
        _spoil_uploads(tour)
        _contend_for_an_upload(tour)
        _pull_blobs(tour)
        manifest = _push_manifests(tour)
        _pull_manifests(tour, manifest)
        _list_tags_and_referrers(tour, manifest)
        _delete(tour, manifest)
    strict = {
        "MOORAGE_DELETE__ENABLED": "false",
        "MOORAGE_UPLOADS__BODY_TIMEOUT_SECONDS": "1",
        "MOORAGE_UPLOADS__MAX_BYTES": "100",
    }
    with _touring(tmp_path, "strict", **strict) as kept:
        kept.ask("DELETE", f"{_NAME}/blobs/{_UNKNOWN}", 405)
        kept.ask("DELETE", f"{_NAME}/manifests/1.0", 405)
        _fall_silent(kept)
        _push_too_much(kept)
    assert tour.seen | kept.seen == {
        seen
        for seen in _CONTRACT.list_seen()
        if seen.status < "5"
        and seen.status not in {"307", "401", "403", "429", "default"}
        and seen.operation not in _TOKEN_OPERATIONS
    }


class _RedirectingDriver(MemoryDriver):
    """A store that gives its content to whoever has the URL."""

    async def redirect_url(self, path: str, method: RedirectMethod) -> str | None:
        return f"http://127.0.0.1:1{path}?signed={method}"


async def test_every_answer_of_a_storage_that_gives_blobs_itself_is_as_declared() -> None:
    blob, seen = f"{_NAME}/blobs/{_digest(_LAYER)}", set()
    app = create_app(driver=_RedirectingDriver())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry") as client,
    ):
        uploads = f"{_NAME}/blobs/uploads/?digest={_digest(_LAYER)}"
        pushed = await client.post(uploads, content=_LAYER)
        assert pushed.status_code == 201
        for method in ("GET", "HEAD"):
            answer = await client.request(method, blob)
            assert answer.headers["location"].endswith(f"/data?signed={method}")
            seen.add(_CONTRACT.check(answer))
    assert seen == {found for found in _CONTRACT.list_seen() if found.status == "307"}


def _visit_registry(tour: _Tour) -> None:
    tour.ask("GET", "/v2/", 200)
    tour.ask("HEAD", "/v2/", 200)


def _push_blobs(tour: _Tour) -> None:
    digest = tour.push(_LAYER, _OTHER_NAME)
    uploads = f"{_NAME}/blobs/uploads/"
    tour.ask("POST", f"{uploads}?mount={digest}&from=base/alpine", 201)
    tour.ask("POST", f"{uploads}?mount={_UNKNOWN}&from=base/alpine", 202)
    tour.ask("POST", f"{uploads}?digest={_UNKNOWN}", 400, content=b"another content")
    tour.ask("POST", f"{_BAD_NAME}/blobs/uploads/", 400)
    first, second = _LAYER[:300], _LAYER[300:]
    location = tour.start()
    answer = tour.ask(
        "PATCH", location, 202, content=first, headers={"Content-Range": f"0-{len(first) - 1}"}
    )
    location = answer.headers["location"]
    place = location.partition("?")[0]
    assert tour.ask("GET", place, 204).headers["range"] == "0-299"
    tour.ask("HEAD", place, 204)
    tour.ask("PUT", f"{location}&digest={digest}", 201, content=second)
    location = tour.start()
    tour.ask("PATCH", location, 202, content=iter((first, second)))
    tour.ask("DELETE", location, 204)


def _spoil_uploads(tour: _Tour) -> None:
    digest = _digest(_LAYER)
    unknown = f"{_NAME}/blobs/uploads/{_NO_UPLOAD}"
    bad = f"{_BAD_NAME}/blobs/uploads/{_NO_UPLOAD}"
    for method, query in (
        ("GET", ""),
        ("HEAD", ""),
        ("PATCH", ""),
        ("PUT", f"?digest={digest}"),
        ("DELETE", ""),
    ):
        tour.ask(method, unknown + query, 404)
        tour.ask(method, bad + query, 400)
    location = tour.start()
    late = {"Content-Range": "100-104"}
    tour.ask("PATCH", location, 416, content=b"12345", headers=late)
    tour.ask("PUT", f"{location}&digest={digest}", 416, content=b"12345", headers=late)
    tour.ask("PUT", location, 400)
    tour.ask("PATCH", location, 400, content=b"12345", headers={"Content-Range": "0-9"})
    tour.ask("PUT", f"{location}&digest={digest}", 400, content=b"another content")


def _contend_for_an_upload(tour: _Tour) -> None:
    place = tour.start().partition("?")[0]
    with tour.service.connect() as slow:
        head = f"PATCH {place} HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n12345"
        slow.sendall(head.encode())
        wait_for_claim(tour.root, place)
        tour.ask("PATCH", place, 409, content=b"x")
        tour.ask("PUT", f"{place}?digest={_UNKNOWN}", 409)
        slow.sendall(b"67890")


def _fall_silent(tour: _Tour) -> None:
    def body() -> Iterator[bytes]:
        yield b"{"
        time.sleep(1.5)

    tour.ask("POST", f"{_NAME}/blobs/uploads/?digest={_UNKNOWN}", 408, content=body())
    tour.ask("PATCH", tour.start(), 408, content=body())
    place = tour.start().partition("?")[0]
    tour.ask("PUT", f"{place}?digest={_UNKNOWN}", 408, content=body())
    tour.ask("PUT", f"{_NAME}/manifests/1.0", 408, content=body())


def _push_too_much(tour: _Tour) -> None:
    large = b"x" * 101
    tour.ask("POST", f"{_NAME}/blobs/uploads/?digest={_digest(large)}", 413, content=large)
    tour.ask("PATCH", tour.start(), 413, content=large)
    place = tour.start().partition("?")[0]
    tour.ask("PUT", f"{place}?digest={_digest(large)}", 413, content=large)


def _pull_blobs(tour: _Tour) -> None:
    digest = _digest(_LAYER)
    blob = f"{_NAME}/blobs/{digest}"
    etag = f'"{digest}"'
    assert tour.ask("GET", blob, 200).content == _LAYER
    part = tour.ask("GET", blob, 206, headers={"Range": "bytes=1-6"})
    assert part.content == _LAYER[1:7]
    tour.ask("GET", blob, 416, headers={"Range": "bytes=10000-"})
    tour.ask("HEAD", blob, 200)
    for method in ("GET", "HEAD"):
        tour.ask(method, blob, 304, headers={"If-None-Match": etag})
        tour.ask(method, blob, 412, headers={"If-Match": '"another"'})
        tour.ask(method, f"{_NAME}/blobs/{_UNKNOWN}", 404)
        tour.ask(method, f"{_NAME}/blobs/sha256:short", 400)


def _push_manifests(tour: _Tour) -> str:
    tour.push(_CONFIG)
    manifests = f"{_NAME}/manifests"
    typed = {"Content-Type": OCI_MANIFEST}
    image = json.dumps(_image()).encode()
    digest = _digest(image)
    tour.ask("PUT", f"{manifests}/1.0?tag=1.1&tag=latest", 201, content=image, headers=typed)
    about = json.dumps(
        _image(subject={"mediaType": OCI_MANIFEST, "digest": digest, "size": len(image)})
    ).encode()
    answer = tour.ask("PUT", f"{manifests}/{_digest(about)}", 201, content=about, headers=typed)
    assert answer.headers["oci-subject"] == digest
    octets = {"Content-Type": "application/octet-stream"}
    tour.ask("PUT", f"{manifests}/octets", 201, content=about, headers=octets)
    faulty = json.dumps({**_image(), "layers": [_descriptor(b"not pushed")]}).encode()
    tour.ask("PUT", f"{manifests}/1.0", 400, content=faulty, headers=typed)
    tour.ask("PUT", f"{manifests}/1.0", 400, content=b"no manifest", headers=typed)
    tour.ask("PUT", f"{manifests}/1.0", 413, content=b" " * (5 * 1024 * 1024), headers=typed)
    many = "&".join(f"tag={number}" for number in range(101))
    tour.ask("PUT", f"{manifests}/1.0?{many}", 414, content=image, headers=typed)
    return digest


def _pull_manifests(tour: _Tour, digest: str) -> None:
    for method in ("GET", "HEAD"):
        for reference in ("1.0", digest):
            tour.ask(method, f"{_NAME}/manifests/{reference}", 200)
        tour.ask(method, f"{_NAME}/manifests/1.0", 304, headers={"If-None-Match": f'"{digest}"'})
        tour.ask(method, f"{_NAME}/manifests/unknown", 404)
        tour.ask(method, f"{_NAME}/manifests/.bad", 400)


def _list_tags_and_referrers(tour: _Tour, digest: str) -> None:
    tags = f"{_NAME}/tags/list"
    assert tour.ask("GET", tags, 200).json()["tags"] == ["1.0", "1.1", "latest", "octets"]
    assert "link" in tour.ask("GET", f"{tags}?n=1", 200).headers
    tour.ask("GET", f"{tags}?n=many", 400)
    tour.ask("GET", "/v2/nobody/here/tags/list", 404)
    tour.ask("GET", "/v2/_catalog?n=1", 200)
    tour.ask("GET", "/v2/_catalog?n=-1", 400)
    referrers = f"{_NAME}/referrers"
    (found,) = tour.ask("GET", f"{referrers}/{digest}", 200).json()["manifests"]
    kind = found["artifactType"]
    filtered = tour.ask("GET", f"{referrers}/{digest}?artifactType={kind}", 200)
    assert filtered.headers["content-type"] == OCI_INDEX
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    tour.ask("GET", f"{referrers}/short", 400)


def _delete(tour: _Tour, digest: str) -> None:
    for place in (
        f"{_NAME}/manifests/latest",
        f"{_NAME}/manifests/{digest}",
        f"{_NAME}/blobs/{_digest(_LAYER)}",
    ):
        tour.ask("DELETE", place, 202)
        tour.ask("DELETE", place, 404)
    tour.ask("DELETE", f"{_NAME}/manifests/.bad", 400)
    tour.ask("DELETE", f"{_NAME}/blobs/short", 400)


class _FaultyDriver(MemoryDriver):
    """A store that fails whatever it is asked to read or to write."""

    def __init__(self, fault: Exception) -> None:
        super().__init__()
        self._fault = fault

    async def get(self, path: str) -> bytes:
        raise self._fault

    async def put(self, path: str, content: bytes) -> None:
        raise self._fault

    async def stat(self, path: str) -> ObjectInfo:
        raise self._fault

    async def delete(self, path: str) -> None:
        raise self._fault

    async def list(self, path: str, start_after: str = "") -> AsyncIterator[Entry]:
        await self.stat(path)
        async for entry in super().list(path, start_after):
            yield entry


_REQUESTS = (
    ("GET", "/v2/_catalog"),
    ("POST", f"{_NAME}/blobs/uploads/"),
    *((method, f"{_NAME}/blobs/uploads/{_NO_UPLOAD}") for method in ("GET", "HEAD", "PATCH")),
    ("PUT", f"{_NAME}/blobs/uploads/{_NO_UPLOAD}?digest={_UNKNOWN}"),
    ("DELETE", f"{_NAME}/blobs/uploads/{_NO_UPLOAD}"),
    *((method, f"{_NAME}/blobs/{_UNKNOWN}") for method in ("GET", "HEAD", "DELETE")),
    *((method, f"{_NAME}/manifests/1.0") for method in ("GET", "HEAD", "PUT", "DELETE")),
    ("GET", f"{_NAME}/referrers/{_UNKNOWN}"),
    ("GET", f"{_NAME}/tags/list"),
)
"""One request of each operation that asks the storage."""


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param(DriverUnavailable("/", "gone"), "503", id="storage gone"),
        pytest.param(StorageFull("/"), "507", id="storage full"),
    ],
)
async def test_every_answer_of_a_storage_that_fails_is_as_declared(
    fault: Exception, status: str
) -> None:
    app = create_app(driver=_FaultyDriver(fault))
    async with app.router.lifespan_context(app):
        assert await _ask_all(app, status) == _list_declared(status)


async def test_every_answer_to_a_mistake_in_the_service_is_as_declared() -> None:
    app = create_app(driver=MemoryDriver())
    async with app.router.lifespan_context(app):
        app.state.moorage = None
        assert await _ask_all(app, "500") == _list_declared("500")


async def test_every_answer_to_too_many_requests_is_as_declared() -> None:
    settings = Settings.model_validate({"limits": {"requests": 1}})
    app = create_app(settings, MemoryDriver())
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry")
    async with app.router.lifespan_context(app), client:
        assert (await client.get("/v2/")).status_code == 200
        for method in ("GET", "HEAD"):
            assert _CONTRACT.check(await client.request(method, "/v2/")).status == "429"
        assert await _ask_all(app, "429") == _list_declared("429")


def _list_declared(status: str) -> set[Seen]:
    """Return the answers of this status that operations declare that do ask the storage."""
    return {
        seen
        for seen in _CONTRACT.list_seen()
        if seen.status == status
        and seen.operation not in {"checkApi", "headApi", *_TOKEN_OPERATIONS}
    }


async def _ask_all(app: FastAPI, status: str) -> set[Seen]:
    """Return the answers to all requests, of which those that declare `status` must have it."""
    seen = set()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://registry"
    ) as client:
        for method, path in _REQUESTS:
            body = json.dumps(_image()).encode() if method == "PUT" else None
            request = client.build_request(method, path, content=body)
            if Seen(_CONTRACT.name_of(request), status) in _list_declared(status):
                seen.add(_CONTRACT.check(await client.send(request)))
    return seen


def _image(**members: object) -> dict[str, object]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.v1",
        "config": _descriptor(_CONFIG),
        "layers": [_descriptor(_LAYER)],
        **members,
    }


def _descriptor(content: bytes) -> dict[str, object]:
    return {
        "mediaType": "application/octet-stream",
        "digest": _digest(content),
        "size": len(content),
    }


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
