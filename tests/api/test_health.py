"""What a load balancer asks."""

import httpx

from api.app import create_app
from api.settings import Settings
from core.drivers import MemoryDriver
from tests.faulty import FaultyDriver, failing
from tests.live import Service

__all__: list[str] = []


def test_a_service_whose_store_answers_is_healthy(api_service: Service) -> None:
    answer = httpx.get(f"{api_service.url}/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


async def test_a_service_whose_store_fails_is_not_healthy() -> None:
    driver = FaultyDriver(MemoryDriver(), failing("stat", "/"))
    app = create_app(Settings(), driver)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client,
    ):
        answer = await client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["errors"][0]["code"] == "UNAVAILABLE"
