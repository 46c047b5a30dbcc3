"""A store that fails: nothing is acknowledged that is not there, nothing wrong is served.

A proxy between the registry and the store makes the weather. The registry runs with few attempts
and short time-outs, so that faults reach its clients soon; the weather of one part of the store
or of one moment is worse for what is right than that of all of it, so both are tried.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live import running_registry
from tests.servers.seaweedfs import S3Server
from tests.servers.weather import Fault, Seen, running_weather
from tests.stores.environment import s3_environment
from tests.stores.storms import (
    IMPATIENT,
    MIB,
    PUSHES,
    STORMS,
    Place,
    Push,
    assert_clear,
    at_request,
    check_end_of_upload,
    check_interrupted_upload,
    check_pulls,
    check_push,
    check_pushes_at_any_request,
    check_tag,
    content_of,
    everything,
    push_in_one,
    push_in_three,
)

__all__: list[str] = []

pytestmark = [pytest.mark.timeout(120)]

NO_ANSWER = Fault(kind="hang")
"""It takes the time-outs of all attempts, and so is not tried everywhere."""


@pytest.fixture(scope="module")
def place(seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("weather")
    with running_weather(seaweedfs.endpoint_url) as weather:
        variables = s3_environment(
            seaweedfs,
            endpoint_url=weather.url,
            root_prefix="weather",
            **IMPATIENT,
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


@pytest.mark.parametrize("size", [3000, 12 * MIB], ids=["small", "parts"])
@pytest.mark.parametrize("push", PUSHES.values(), ids=PUSHES)
@pytest.mark.parametrize("storm", STORMS.values(), ids=STORMS)
def test_a_push_into_a_storm_is_refused_or_right_and_succeeds_when_it_clears(
    place: Place, storm: Fault, push: Push, size: int
) -> None:
    check_push(place, storm, push, size)


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
    check_pushes_at_any_request(place, push)


@pytest.mark.parametrize("storm", STORMS.values(), ids=STORMS)
def test_an_upload_that_a_storm_interrupts_goes_on_when_it_clears(
    place: Place, storm: Fault
) -> None:
    check_interrupted_upload(place, storm)


@pytest.mark.parametrize("storm", STORMS.values(), ids=STORMS)
def test_the_end_of_an_upload_can_be_tried_again(place: Place, storm: Fault) -> None:
    check_end_of_upload(place, storm)


@pytest.mark.parametrize("size", [3000, 12 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("storm", STORMS.values(), ids=STORMS)
def test_a_pull_through_a_storm_never_ends_as_success_with_wrong_bytes(
    place: Place, storm: Fault, size: int
) -> None:
    check_pulls(place, storm, size)


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
    check_tag(place, storm)


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
