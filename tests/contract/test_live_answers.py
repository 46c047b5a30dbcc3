"""Every answer of a running registry, held against the contract."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from core.manifest import OCI_INDEX, OCI_MANIFEST
from tests.contract.asking import (
    CONFIG,
    CONTRACT,
    LAYER,
    NAME,
    NO_UPLOAD,
    TOKEN_OPERATIONS,
    UNKNOWN,
    describe,
    digest_of,
    make_image,
)
from tests.contract.checker import Seen
from tests.live import Service, running_registry, wait_for_claim

__all__: list[str] = []

_OTHER_NAME = "/v2/base/alpine"

_BAD_NAME = "/v2/Team/App"


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
        self.seen.add(CONTRACT.check(answer))
        return answer

    def start(self) -> str:
        location = self.ask("POST", f"{NAME}/blobs/uploads/", 202).headers["location"]
        assert isinstance(location, str)
        return location

    def push(self, content: bytes, name: str = NAME) -> str:
        digest = digest_of(content)
        self.ask("POST", f"{name}/blobs/uploads/?digest={digest}", 201, content=content)
        return digest


@contextmanager
def _touring(folder: Path, name: str, **settings: str) -> Iterator[_Tour]:
    with (
        running_registry(folder, name=name, root=folder / name, **settings) as service,
        httpx.Client(base_url=service.url) as client,
    ):
        yield _Tour(service, folder / name, client)


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
        kept.ask("DELETE", f"{NAME}/blobs/{UNKNOWN}", 405)
        kept.ask("DELETE", f"{NAME}/manifests/1.0", 405)
        _fall_silent(kept)
        _push_too_much(kept)
    assert tour.seen | kept.seen == {
        seen
        for seen in CONTRACT.list_seen()
        if seen.status < "5"
        and seen.status not in {"307", "401", "403", "429", "default"}
        and seen.operation not in TOKEN_OPERATIONS
    }


def _visit_registry(tour: _Tour) -> None:
    tour.ask("GET", "/v2/", 200)
    tour.ask("HEAD", "/v2/", 200)


def _push_blobs(tour: _Tour) -> None:
    digest = tour.push(LAYER, _OTHER_NAME)
    uploads = f"{NAME}/blobs/uploads/"
    tour.ask("POST", f"{uploads}?mount={digest}&from=base/alpine", 201)
    tour.ask("POST", f"{uploads}?mount={UNKNOWN}&from=base/alpine", 202)
    tour.ask("POST", f"{uploads}?digest={UNKNOWN}", 400, content=b"another content")
    tour.ask("POST", f"{_BAD_NAME}/blobs/uploads/", 400)
    first, second = LAYER[:300], LAYER[300:]
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
    digest = digest_of(LAYER)
    unknown = f"{NAME}/blobs/uploads/{NO_UPLOAD}"
    bad = f"{_BAD_NAME}/blobs/uploads/{NO_UPLOAD}"
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
        tour.ask("PUT", f"{place}?digest={UNKNOWN}", 409)
        slow.sendall(b"67890")


def _fall_silent(tour: _Tour) -> None:
    def body() -> Iterator[bytes]:
        yield b"{"
        time.sleep(1.5)

    tour.ask("POST", f"{NAME}/blobs/uploads/?digest={UNKNOWN}", 408, content=body())
    tour.ask("PATCH", tour.start(), 408, content=body())
    place = tour.start().partition("?")[0]
    tour.ask("PUT", f"{place}?digest={UNKNOWN}", 408, content=body())
    tour.ask("PUT", f"{NAME}/manifests/1.0", 408, content=body())


def _push_too_much(tour: _Tour) -> None:
    large = b"x" * 101
    tour.ask("POST", f"{NAME}/blobs/uploads/?digest={digest_of(large)}", 413, content=large)
    tour.ask("PATCH", tour.start(), 413, content=large)
    place = tour.start().partition("?")[0]
    tour.ask("PUT", f"{place}?digest={digest_of(large)}", 413, content=large)


def _pull_blobs(tour: _Tour) -> None:
    digest = digest_of(LAYER)
    blob = f"{NAME}/blobs/{digest}"
    etag = f'"{digest}"'
    assert tour.ask("GET", blob, 200).content == LAYER
    part = tour.ask("GET", blob, 206, headers={"Range": "bytes=1-6"})
    assert part.content == LAYER[1:7]
    tour.ask("GET", blob, 416, headers={"Range": "bytes=10000-"})
    tour.ask("HEAD", blob, 200)
    for method in ("GET", "HEAD"):
        tour.ask(method, blob, 304, headers={"If-None-Match": etag})
        tour.ask(method, blob, 412, headers={"If-Match": '"another"'})
        tour.ask(method, f"{NAME}/blobs/{UNKNOWN}", 404)
        tour.ask(method, f"{NAME}/blobs/sha256:short", 400)


def _push_manifests(tour: _Tour) -> str:
    tour.push(CONFIG)
    manifests = f"{NAME}/manifests"
    typed = {"Content-Type": OCI_MANIFEST}
    image = json.dumps(make_image()).encode()
    digest = digest_of(image)
    tour.ask("PUT", f"{manifests}/1.0?tag=1.1&tag=latest", 201, content=image, headers=typed)
    about = json.dumps(
        make_image(subject={"mediaType": OCI_MANIFEST, "digest": digest, "size": len(image)})
    ).encode()
    answer = tour.ask("PUT", f"{manifests}/{digest_of(about)}", 201, content=about, headers=typed)
    assert answer.headers["oci-subject"] == digest
    octets = {"Content-Type": "application/octet-stream"}
    tour.ask("PUT", f"{manifests}/octets", 201, content=about, headers=octets)
    faulty = json.dumps({**make_image(), "layers": [describe(b"not pushed")]}).encode()
    tour.ask("PUT", f"{manifests}/1.0", 400, content=faulty, headers=typed)
    tour.ask("PUT", f"{manifests}/1.0", 400, content=b"no manifest", headers=typed)
    tour.ask("PUT", f"{manifests}/1.0", 413, content=b" " * (5 * 1024 * 1024), headers=typed)
    many = "&".join(f"tag={number}" for number in range(101))
    tour.ask("PUT", f"{manifests}/1.0?{many}", 414, content=image, headers=typed)
    return digest


def _pull_manifests(tour: _Tour, digest: str) -> None:
    for method in ("GET", "HEAD"):
        for reference in ("1.0", digest):
            tour.ask(method, f"{NAME}/manifests/{reference}", 200)
        tour.ask(method, f"{NAME}/manifests/1.0", 304, headers={"If-None-Match": f'"{digest}"'})
        tour.ask(method, f"{NAME}/manifests/unknown", 404)
        tour.ask(method, f"{NAME}/manifests/.bad", 400)


def _list_tags_and_referrers(tour: _Tour, digest: str) -> None:
    tags = f"{NAME}/tags/list"
    assert tour.ask("GET", tags, 200).json()["tags"] == ["1.0", "1.1", "latest", "octets"]
    assert "link" in tour.ask("GET", f"{tags}?n=1", 200).headers
    tour.ask("GET", f"{tags}?n=many", 400)
    tour.ask("GET", "/v2/nobody/here/tags/list", 404)
    tour.ask("GET", "/v2/_catalog?n=1", 200)
    tour.ask("GET", "/v2/_catalog?n=-1", 400)
    referrers = f"{NAME}/referrers"
    (found,) = tour.ask("GET", f"{referrers}/{digest}", 200).json()["manifests"]
    kind = found["artifactType"]
    filtered = tour.ask("GET", f"{referrers}/{digest}?artifactType={kind}", 200)
    assert filtered.headers["content-type"] == OCI_INDEX
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    tour.ask("GET", f"{referrers}/short", 400)


def _delete(tour: _Tour, digest: str) -> None:
    for place in (
        f"{NAME}/manifests/latest",
        f"{NAME}/manifests/{digest}",
        f"{NAME}/blobs/{digest_of(LAYER)}",
    ):
        tour.ask("DELETE", place, 202)
        tour.ask("DELETE", place, 404)
    tour.ask("DELETE", f"{NAME}/manifests/.bad", 400)
    tour.ask("DELETE", f"{NAME}/blobs/short", 400)
