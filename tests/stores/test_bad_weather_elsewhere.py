"""The weather of `test_bad_weather`, between the registry and stores of Azure and Google."""

import uuid
from collections.abc import Iterator

import httpx
import pytest
from azure.storage.blob import ContainerClient

from tests.live import running_registry
from tests.servers.azurite import ACCOUNT, ACCOUNT_KEY, Azurite
from tests.servers.gcs import make_bucket
from tests.servers.weather import Fault, running_weather
from tests.stores.environment import azure_environment, gcs_environment
from tests.stores.storms import (
    IMPATIENT,
    MIB,
    PUSHES,
    STORMS,
    Place,
    check_end_of_upload,
    check_interrupted_upload,
    check_pulls,
    check_push,
    check_pushes_at_any_request,
    check_tag,
)

__all__: list[str] = []

pytestmark = [pytest.mark.timeout(120)]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("azure", marks=pytest.mark.needs("azurite")),
        pytest.param("gcs", marks=pytest.mark.needs("fake-gcs-server")),
    ],
)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    name = f"weather-{uuid.uuid4().hex}"
    if request.param == "azure":
        azurite: Azurite = request.getfixturevalue("azurite")
        with ContainerClient(azurite.endpoint_url, name, credential=ACCOUNT_KEY) as client:
            client.create_container()
        store_url = azurite.endpoint_url.removesuffix(f"/{ACCOUNT}")
    else:
        store_url = request.getfixturevalue("fake_gcs")
        make_bucket(store_url, name)
    with running_weather(store_url) as weather:
        if request.param == "azure":
            url = f"{weather.url}/{ACCOUNT}"
            variables = azure_environment(azurite, endpoint_url=url, container=name, **IMPATIENT)
        else:
            variables = gcs_environment(weather.url, bucket=name, **IMPATIENT)
        folder = tmp_path_factory.mktemp("weather")
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


@pytest.mark.parametrize("storm", STORMS.values(), ids=STORMS)
def test_whatever_a_storm_meets_is_refused_or_right_and_succeeds_when_it_clears(
    place: Place, storm: Fault
) -> None:
    for push in PUSHES.values():
        check_push(place, storm, push, 3000)
    check_push(place, storm, PUSHES["POST"], 12 * MIB)
    check_push(place, storm, PUSHES["POST PATCH PUT"], 12 * MIB)
    check_interrupted_upload(place, storm)
    check_end_of_upload(place, storm)
    check_pulls(place, storm, 3000)
    check_pulls(place, storm, 12 * MIB)
    check_tag(place, storm)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("push", ["POST", "POST PATCH PUT"])
def test_a_push_that_a_storm_meets_at_any_request_is_refused_or_right(
    place: Place, push: str
) -> None:
    check_pushes_at_any_request(place, PUSHES[push])
