"""What a load balancer asks."""

import httpx
import pytest
from anyio import create_task_group, move_on_after, sleep

from api.app import create_app
from api.settings import Settings
from core.drivers import MemoryDriver
from core.errors import DriverUnavailable
from core.storage.store_check import StoreCheck
from tests.faulty import Call, FaultyDriver, failing
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


@pytest.mark.parametrize("is_away", [False, True])
async def test_the_store_is_asked_once_for_all_who_come_at_once(*, is_away: bool) -> None:
    async def slow(call: Call) -> None:
        await sleep(0.05)
        if is_away:
            raise DriverUnavailable(call.path, "away")

    store = FaultyDriver(MemoryDriver(), slow)
    check = StoreCheck(store)
    answers: list[bool] = []

    async def ask() -> None:
        try:
            await check.ask()
        except DriverUnavailable:
            answers.append(False)
        else:
            answers.append(True)

    async with create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(ask)
    assert answers == [not is_away] * 50
    # Who comes once it is asked waits for the next answer, which is not older than the question.
    assert len(store.calls) <= 2
    is_away = not is_away
    await ask()
    assert answers[-1] is not is_away


async def test_one_who_asks_no_longer_leaves_the_question_to_the_next() -> None:
    store = FaultyDriver(MemoryDriver())
    check = StoreCheck(store)

    async def stuck(_: Call) -> None:
        store.on_call = None
        await sleep(60)

    store.on_call = stuck
    async with create_task_group() as tasks:
        with move_on_after(0.1):
            tasks.start_soon(check.ask)
            await check.ask()
    assert store.calls == ["stat /"] * 2


async def test_anybody_may_ask_as_often_as_they_like() -> None:
    async def slow(call: Call) -> None:
        if call.method == "stat":
            await sleep(0.05)

    store = FaultyDriver(MemoryDriver(), slow)
    app = create_app(Settings(), store)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client,
        create_task_group() as tasks,
    ):
        store.calls.clear()
        for _ in range(20):
            tasks.start_soon(client.get, "/healthz")
    assert store.calls.count("stat /") <= 5
