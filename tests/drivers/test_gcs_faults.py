"""The GCS driver over a store that fails, and what its calls cost."""

import pytest

from core.errors import DriverUnavailable
from tests.contracts.driver import append, list_names, read_all, write_all
from tests.drivers.gcs_backdoor import GCSBackdoor
from tests.servers.weather import Fault, running_weather

__all__: list[str] = []

pytestmark = pytest.mark.needs("fake-gcs-server")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.drivers.gcs.client._FIRST_PAUSE_SECONDS", 0.02)


# A store that fails.


@pytest.mark.parametrize("kind", ["cut answer", "reset answer"])
async def test_a_read_goes_on_where_its_connection_broke(gcs: GCSBackdoor, kind: str) -> None:
    content = bytes(range(256)) * 4096
    await gcs.write("/a", content)
    with running_weather(gcs.url) as weather:
        driver = gcs.driver(endpoint_url=weather.url)
        breaks = iter([1, 100_000, 300_000])

        def rule(_: object) -> Fault | None:
            after = next(breaks, None)
            return None if after is None else Fault(kind=kind, after=after)  # type: ignore[arg-type]

        weather.rule = rule
        assert await read_all(driver, "/a", 1000) == content[1000:]
        assert len(weather.requests) == 4
        await driver.aclose()


async def test_a_read_never_goes_on_in_another_file(gcs: GCSBackdoor) -> None:
    await gcs.write("/a", b"old" * 1000)
    with running_weather(gcs.url) as weather:
        driver = gcs.driver(endpoint_url=weather.url)
        weather.rule = lambda _: Fault(kind="cut answer", after=500)
        async with await driver.open_reader("/a") as reader:
            assert len(await reader.read(500)) == 500
            weather.clear()
            await gcs.write("/a", b"new" * 1000)
            with pytest.raises(DriverUnavailable, match="replaced or deleted"):
                await reader.read(500)
        await driver.aclose()


async def test_a_read_that_never_gets_on_fails(gcs: GCSBackdoor) -> None:
    await gcs.write("/a", b"x" * 1000)
    with running_weather(gcs.url) as weather:
        driver = gcs.driver(endpoint_url=weather.url)
        weather.rule = lambda _: Fault(kind="cut answer", after=0)
        with pytest.raises(DriverUnavailable):
            await driver.get("/a")
        assert len(weather.requests) == 6
        await driver.aclose()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="refuse"),
        Fault(kind="answer", status=503),
        Fault(kind="reset request", after=10),
        Fault(kind="reset answer", after=0),
    ],
    ids=lambda fault: fault.kind,
)
async def test_what_fails_once_is_done_once(gcs: GCSBackdoor, fault: Fault) -> None:
    with running_weather(gcs.url) as weather:
        seen: set[object] = set()

        def rule(request: object) -> Fault | None:
            if request in seen:
                return None
            seen.add(request)
            return fault

        weather.rule = rule
        driver = gcs.driver(endpoint_url=weather.url, max_attempts=3)
        await driver.put("/a", b"content")
        async with await driver.open_appender("/b", create=True) as writer:
            await writer.write(b"first")
        async with await driver.open_appender("/b") as writer:
            await writer.write(b" second")
            await writer.commit()
        await driver.move("/b", "/c")
        await driver.delete("/a")
        assert await driver.get("/c") == b"first second"
        assert await list_names(driver, "/") == ["c"]
        assert set(await gcs.everything()) == {"/c"}
        await driver.aclose()


# What a call costs.


async def test_requests_of_each_call_are_few(gcs: GCSBackdoor) -> None:
    with running_weather(gcs.url) as weather:
        driver = gcs.driver(endpoint_url=weather.url)

        async def count(call: object) -> int:
            weather.requests.clear()
            await call  # type: ignore[misc]
            return len(weather.requests)

        async def commit() -> None:
            async with await driver.open_appender("/u/a") as writer:
                await writer.write(b"content")
                await writer.commit()

        counts = {
            "put": await count(driver.put("/a/b", b"content")),
            "get": await count(driver.get("/a/b")),
            "stat": await count(driver.stat("/a/b")),
            "stat of a directory": await count(driver.stat("/a")),
            "list": await count(list_names(driver, "/a")),
            "write": await count(write_all(driver, "/w", b"content")),
            "write in two parts": await count(write_all(driver, "/w", bytes(300_000), b"more")),
            "create_upload": await count(driver.create_upload("/u/a")),
            "append": await count(append(driver, "/u/a", b"bytes")),
            "stat_upload": await count(driver.stat_upload("/u/a")),
            "append and commit": await count(commit()),
            "copy": await count(driver.copy("/a/b", "/c")),
            "move": await count(driver.move("/a/b", "/d")),
            "delete": await count(driver.delete("/d")),
        }
        await driver.aclose()
    assert counts == {
        "put": 1,
        "get": 1,
        "stat": 1,
        "stat of a directory": 2,
        "list": 1,
        "write": 1,
        "write in two parts": 5,
        "create_upload": 1,
        "append": 5,
        "stat_upload": 1,
        "append and commit": 9,
        "copy": 2,
        "move": 3,
        "delete": 3,
    }
