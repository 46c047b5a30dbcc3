"""A store that fails: nothing is acknowledged that is not there, nothing wrong is served.

A proxy between the registry and the store makes the weather. The registry runs with few attempts
and short time-outs, so that faults reach its clients soon; the weather of one part of the store
or of one moment is worse for what is right than that of all of it, so both are tried.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from core.manifest import OCI_MANIFEST
from tests.live import Service, running_registry
from tests.servers.seaweedfs import S3Server
from tests.servers.weather import Fault, Rule, Seen, Weather, running_weather
from tests.stores.environment import s3_environment

__all__: list[str] = []

pytestmark = [pytest.mark.timeout(120)]

MIB = 1024 * 1024
_random = random.Random(7)
_counter = iter(range(10**6))

STORMS: Mapping[str, Fault] = {
    "refused": Fault(kind="refuse"),
    "500": Fault(kind="answer", status=500),
    "503 SlowDown": Fault(kind="answer", status=503),
    "request reset": Fault(kind="reset request", after=1000),
    "answer cut short": Fault(kind="cut answer", after=10),
    "answer reset": Fault(kind="reset answer", after=10),
}
NO_ANSWER = Fault(kind="hang")
"""It takes the time-outs of all attempts, and so is not tried everywhere."""


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


@pytest.fixture(scope="module")
def place(seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("weather")
    with running_weather(seaweedfs.endpoint_url) as weather:
        variables = s3_environment(
            seaweedfs,
            endpoint_url=weather.url,
            root_prefix="weather",
            redirect="false",
            max_attempts=2,
            connect_timeout_seconds=1,
            read_timeout_seconds=2,
            part_bytes=5 * MIB,
        )
        with (
            running_registry(folder, root=None, name="registry", **variables) as service,
            httpx.Client(base_url=service.url, timeout=60) as client,
        ):
            yield Place(service=service, weather=weather, client=client)


@pytest.fixture(autouse=True)
def _fair_weather_before_and_after(place: Place) -> Iterator[None]:
    place.weather.clear()
    yield
    place.weather.clear()


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


@pytest.mark.parametrize("size", [3000, 12 * MIB], ids=["small", "parts"])
@pytest.mark.parametrize("push", PUSHES.values(), ids=PUSHES)
@pytest.mark.parametrize("storm", STORMS.values(), ids=STORMS)
def test_a_push_into_a_storm_is_refused_or_right_and_succeeds_when_it_clears(
    place: Place, storm: Fault, push: Push, size: int
) -> None:
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


def test_a_store_that_never_answers_is_given_up(place: Place) -> None:
    content, digest = content_of(3000)
    assert push_in_one(place, content, digest).status_code == 201
    new, new_digest = content_of(3000)
    location = place.client.post("/v2/w/r/blobs/uploads/").headers["Location"]
    place.weather.rule = everything(NO_ANSWER)
    assert_clear(push_in_one(place, new, new_digest))
    assert_clear(place.client.patch(location, content=new))
    assert_clear(place.client.get(f"/v2/w/r/blobs/{digest}"))
    place.weather.clear()
    added = place.client.patch(location, content=new)
    assert added.status_code == 202, added.text
    done = place.client.put(f"{added.headers['Location']}&digest={new_digest}")
    assert done.status_code == 201
    assert place.pull(new_digest) == new
    assert place.pull(digest) == content


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("push", PUSHES.values(), ids=PUSHES)
def test_a_push_that_a_storm_meets_at_any_request_is_refused_or_right(
    place: Place, push: Push
) -> None:
    """The storm comes later and later, another one each time, until the push is over before it."""
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


@pytest.mark.parametrize("storm", STORMS.values(), ids=STORMS)
def test_an_upload_that_a_storm_interrupts_goes_on_when_it_clears(
    place: Place, storm: Fault
) -> None:
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


@pytest.mark.parametrize("storm", STORMS.values(), ids=STORMS)
def test_the_end_of_an_upload_can_be_tried_again(place: Place, storm: Fault) -> None:
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


@pytest.mark.parametrize("size", [3000, 12 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("storm", STORMS.values(), ids=STORMS)
def test_a_pull_through_a_storm_never_ends_as_success_with_wrong_bytes(
    place: Place, storm: Fault, size: int
) -> None:
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


def test_a_stream_that_breaks_is_gone_on_with_where_the_store_answers_again(place: Place) -> None:
    content, digest = content_of(12 * MIB)
    assert push_in_one(place, content, digest).status_code == 201
    broken = 0

    def rule(seen: Seen) -> Fault | None:
        nonlocal broken
        if seen.method != "GET" or not seen.target.endswith("/data") or broken:
            return None
        broken += 1
        return Fault(kind="cut answer", after=5 * MIB)

    place.weather.rule = rule
    assert place.pull(digest) == content
    assert broken == 1


@pytest.mark.parametrize("storm", STORMS.values(), ids=STORMS)
def test_a_tag_points_to_the_old_manifest_or_the_new_one(place: Place, storm: Fault) -> None:
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


def test_a_short_storm_is_not_noticed(place: Place) -> None:
    content, digest = content_of(12 * MIB)
    for number in range(0, 20, 3):
        place.weather.rule = at_request(number, STORMS["503 SlowDown"], times=1)
        pushed = push_in_three(place, content, digest)
        assert pushed.status_code == 201, pushed.text
    place.weather.clear()
    assert place.pull(digest) == content


def test_a_slow_store_is_waited_for(place: Place) -> None:
    # A body takes a second. The system takes all of it at once, so to the registry the store is
    # silent meanwhile, which it may be for two.
    content, digest = content_of(MIB)
    place.weather.rule = everything(Fault(kind="slow", rate=MIB))
    assert push_in_three(place, content, digest).status_code == 201
    assert place.pull(digest) == content


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


def test_what_is_asked_for_in_a_storm_is_unavailable_and_not_unknown(place: Place) -> None:
    content, digest = content_of(100)
    assert push_in_one(place, content, digest).status_code == 201
    place.weather.rule = everything(STORMS["refused"])
    for path in (f"/v2/w/r/blobs/{digest}", "/v2/w/r/manifests/none", "/v2/w/r/tags/list"):
        assert_clear(place.client.get(path))
    assert place.client.get("/healthz").status_code == 503
    place.weather.clear()
    assert place.client.get("/healthz").status_code == 200


def test_the_log_says_what_failed_and_holds_no_secret(place: Place, seaweedfs: S3Server) -> None:
    place.weather.rule = everything(STORMS["503 SlowDown"])
    assert_clear(place.client.get("/v2/w/r/manifests/none"))
    place.service.wait_for_log("storage failed")
    log = Path(place.service.log_file).read_text()
    assert "SlowDown" in log
    assert seaweedfs.secret_access_key not in log
