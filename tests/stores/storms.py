"""What clients do in bad weather between the registry and its store, and what has to come of it."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
import pytest

from core.manifest import OCI_MANIFEST
from tests.live import Service
from tests.servers.weather import Fault, Rule, Seen, Weather

__all__ = [
    "IMPATIENT",
    "MIB",
    "PUSHES",
    "STORMS",
    "Place",
    "Push",
    "assert_clear",
    "at_request",
    "check_end_of_upload",
    "check_interrupted_upload",
    "check_pulls",
    "check_push",
    "check_pushes_at_any_request",
    "check_tag",
    "content_of",
    "everything",
    "push_in_one",
    "push_in_three",
]

MIB = 1024 * 1024
_random = random.Random(7)
_counter = iter(range(10**6))

STORMS: Mapping[str, Fault] = {
    "refused": Fault(kind="refuse"),
    "500": Fault(kind="answer", status=500),
    "503 SlowDown": Fault(kind="answer", status=503),
    "request reset": Fault(kind="reset request", after=1000),
    "answer lost": Fault(kind="lose answer"),
    "answer cut short": Fault(kind="cut answer", after=10),
    "answer reset": Fault(kind="reset answer", after=10),
}
IMPATIENT: Mapping[str, object] = {
    "redirect": "false",
    "max_attempts": 2,
    "connect_timeout_seconds": 1,
    "read_timeout_seconds": 2,
    "part_bytes": 5 * MIB,
}
"""Settings by which every driver gives up soon, and small content has parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A registry whose store lies behind the weather."""

    service: Service
    weather: Weather
    client: httpx.Client

    def pull(self, digest: str) -> bytes:
        answer = self.client.get(f"/v2/w/r/blobs/{digest}")
        assert answer.status_code == 200, answer.text
        return answer.content


def content_of(size: int) -> tuple[bytes, str]:
    """Return content that nobody has pushed before, and its digest."""
    content = _random.randbytes(size)
    return content, f"sha256:{hashlib.sha256(content).hexdigest()}"


def everything(fault: Fault) -> Rule:
    return lambda _: fault


def from_request(number: int, fault: Fault) -> Rule:
    """Return weather that turns bad with the request of this number, and stays so."""
    seen = 0

    def rule(_: Seen) -> Fault | None:
        nonlocal seen
        seen += 1
        return fault if seen > number else None

    return rule


def at_request(number: int, fault: Fault, *, times: int = 8) -> Rule:
    """Return weather that is bad for some requests from this number on, and then clears."""
    seen = 0

    def rule(_: Seen) -> Fault | None:
        nonlocal seen
        seen += 1
        return fault if number < seen <= number + times else None

    return rule


def push_in_one(place: Place, content: bytes, digest: str) -> httpx.Response:
    return place.client.post(f"/v2/w/r/blobs/uploads/?digest={digest}", content=content)


def push_in_two(place: Place, content: bytes, digest: str) -> httpx.Response:
    begun = place.client.post("/v2/w/r/blobs/uploads/")
    if begun.status_code != 202:
        return begun
    return place.client.put(f"{begun.headers['Location']}&digest={digest}", content=content)


def push_in_three(place: Place, content: bytes, digest: str) -> httpx.Response:
    begun = place.client.post("/v2/w/r/blobs/uploads/")
    if begun.status_code != 202:
        return begun
    added = place.client.patch(begun.headers["Location"], content=content)
    if added.status_code != 202:
        return added
    return place.client.put(f"{added.headers['Location']}&digest={digest}")


Push = Callable[[Place, bytes, str], httpx.Response]
PUSHES: Mapping[str, Push] = {
    "POST": push_in_one,
    "POST PUT": push_in_two,
    "POST PATCH PUT": push_in_three,
}


def assert_clear(answer: httpx.Response) -> None:
    """Assert that a client is told to come back, and nothing of what happened behind."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"].isdecimal()
    (error,) = answer.json()["errors"]
    assert error["code"] == "UNAVAILABLE"
    assert "127.0.0.1" not in answer.text


def check_push(place: Place, storm: Fault, push: Push, size: int) -> None:
    """Push into a storm, and once more when it has cleared."""
    content, digest = content_of(size)
    place.weather.rule = everything(storm)
    refused = push(place, content, digest)
    if refused.status_code != 201:
        assert_clear(refused)
    assert place.weather.faulted
    place.weather.clear()
    if refused.status_code == 201:
        assert place.pull(digest) == content
    pushed = push(place, content, digest)
    assert pushed.status_code == 201, pushed.text
    assert place.pull(digest) == content


def check_pushes_at_any_request(place: Place, push: Push) -> None:
    """Push again and again, each time with more fair weather before the storm."""
    storms = list(STORMS.values())
    for number in range(60):
        content, digest = content_of(6 * MIB if number % 5 == 4 else 3000)
        place.weather.rule = from_request(number, storms[number % len(storms)])
        faulted = place.weather.faulted
        answer = push(place, content, digest)
        untouched = place.weather.faulted == faulted
        place.weather.clear()
        if answer.status_code == 201:
            assert place.pull(digest) == content
        else:
            assert_clear(answer)
            found = place.client.get(f"/v2/w/r/blobs/{digest}")
            assert found.status_code == 404 or found.content == content
            assert push(place, content, digest).status_code == 201
            assert place.pull(digest) == content
        if untouched and number % 5 == 4:
            return
    pytest.fail("the push never got through before the storm")


def check_interrupted_upload(place: Place, storm: Fault) -> None:
    """Interrupt an upload by a storm, and go on with it."""
    content, digest = content_of(7 * MIB)
    location = place.client.post("/v2/w/r/blobs/uploads/").headers["Location"]
    first = place.client.patch(location, content=content[: 2 * MIB])
    assert first.status_code == 202
    place.weather.rule = everything(storm)
    added = place.client.patch(first.headers["Location"], content=content[2 * MIB :])
    if added.status_code != 202:
        assert_clear(added)
    place.weather.clear()
    status = place.client.get(location.partition("?")[0])
    assert status.status_code == 204
    offset = int(status.headers["Range"].partition("-")[2]) + 1
    assert offset >= 2 * MIB
    rest = place.client.patch(status.headers["Location"], content=content[offset:])
    assert rest.status_code == 202, rest.text
    done = place.client.put(f"{rest.headers['Location']}&digest={digest}")
    assert done.status_code == 201, done.text
    assert place.pull(digest) == content


def check_end_of_upload(place: Place, storm: Fault) -> None:
    """End an upload in a storm, and once more when it has cleared."""
    content, digest = content_of(6 * MIB)
    location = place.client.post("/v2/w/r/blobs/uploads/").headers["Location"]
    added = place.client.patch(location, content=content)
    end = f"{added.headers['Location']}&digest={digest}"
    place.weather.rule = everything(storm)
    refused = place.client.put(end)
    if refused.status_code != 201:
        assert_clear(refused)
        place.weather.clear()
        assert place.client.put(end).status_code == 201
    place.weather.clear()
    assert place.pull(digest) == content


def check_pulls(place: Place, storm: Fault, size: int) -> None:
    """Pull through storms that begin sooner and later."""
    content, digest = content_of(size)
    assert push_in_one(place, content, digest).status_code == 201
    for number in range(4):
        place.weather.rule = from_request(number, storm)
        try:
            answer = place.client.get(f"/v2/w/r/blobs/{digest}")
        except httpx.RemoteProtocolError:
            # Too late for another answer: the connection was cut, which the client sees.
            continue
        if answer.status_code == 200:
            assert answer.content == content
        else:
            assert_clear(answer)
    place.weather.clear()
    assert place.pull(digest) == content


def check_tag(place: Place, storm: Fault) -> None:
    """Move a tag through storms, and look where it points."""
    tag = f"t{next(_counter)}"
    config, config_digest = content_of(100)
    assert push_in_one(place, config, config_digest).status_code == 201
    old, new = (_manifest(config_digest, len(config), note) for note in ("old", "new"))
    assert _push_manifest(place, tag, old).status_code == 201
    for number in range(0, 8, 2):
        place.weather.rule = from_request(number, storm)
        answer = _push_manifest(place, tag, new)
        place.weather.clear()
        found = place.client.get(f"/v2/w/r/manifests/{tag}")
        assert found.status_code == 200
        assert found.content == new if answer.status_code == 201 else found.content in (old, new)
        if answer.status_code != 201:
            assert_clear(answer)
            assert _push_manifest(place, tag, new).status_code == 201
            assert place.client.get(f"/v2/w/r/manifests/{tag}").content == new
        assert _push_manifest(place, tag, old).status_code == 201


def _manifest(digest: str, size: int, note: str) -> bytes:
    config = {"mediaType": "application/octet-stream", "digest": digest, "size": size}
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config,
        "layers": [],
        "annotations": {"note": note, "number": str(next(_counter))},
    }
    return json.dumps(document).encode()


def _push_manifest(place: Place, tag: str, payload: bytes) -> httpx.Response:
    return place.client.put(
        f"/v2/w/r/manifests/{tag}", content=payload, headers={"Content-Type": OCI_MANIFEST}
    )
