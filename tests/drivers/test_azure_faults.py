"""The Azure driver when requests fail, and when only their answers are lost."""

from collections.abc import Awaitable, Callable, Iterator

import pytest
from azure.storage.blob import ContainerClient
from azure.storage.blob.aio import BlobClient

from core.drivers import StorageDriver, create_driver
from core.drivers.azure import appender, reader, retries, writer
from core.errors import DriverUnavailable, PathNotFound
from tests.contracts.driver import append, list_names, read_all, write_all
from tests.drivers.azure_backdoor import PART_BYTES, Backdoor, content_of, settings_of
from tests.servers.azurite import ACCOUNT, Azurite
from tests.servers.weather import Fault, Rule, Seen, Weather, running_weather

__all__: list[str] = []

pytestmark = pytest.mark.needs("azurite")

BUSY = Fault(kind="answer", status=503)
UNSEEN = Fault(kind="lose answer")

CONTENT = content_of(4 * PART_BYTES + 1)


@pytest.fixture(scope="module")
def weather(azurite: Azurite) -> Iterator[Weather]:
    with running_weather(azurite.endpoint_url.removesuffix(f"/{ACCOUNT}")) as proxy:
        yield proxy


@pytest.fixture
def driver(
    azurite: Azurite, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StorageDriver]:
    monkeypatch.setattr(retries, "_FIRST_SECONDS", 0.01)
    yield create_driver("azure", settings_of(f"{weather.url}/{ACCOUNT}", max_attempts=3))
    weather.clear()


@pytest.fixture
def backdoor(container: ContainerClient, driver: StorageDriver) -> Backdoor:
    return Backdoor(container, driver)


def first(fault: Fault, matches: Callable[[Seen], bool], times: int = 1) -> Rule:
    """Return weather that is bad for the first requests that match."""
    seen = 0

    def rule(request: Seen) -> Fault | None:
        nonlocal seen
        seen += matches(request)
        return fault if matches(request) and seen <= times else None

    return rule


def every(_: Seen) -> bool:
    return True


def is_append(request: Seen) -> bool:
    return "comp=appendblock" in request.target


# What is tried again.


@pytest.mark.parametrize(
    "fault",
    [
        BUSY,
        Fault(kind="answer", status=500),
        Fault(kind="answer", status=429),
        Fault(kind="refuse"),
        UNSEEN,
    ],
    ids=["503", "500", "429", "refused", "answer lost"],
)
async def test_a_request_that_fails_twice_is_sent_again(
    driver: StorageDriver, backdoor: Backdoor, weather: Weather, fault: Fault
) -> None:
    weather.rule = first(fault, every, times=2)
    await driver.put("/a", b"content")
    weather.rule = first(fault, every, times=2)
    assert await driver.get("/a") == b"content"
    weather.rule = first(fault, every, times=2)
    await write_all(driver, "/b", CONTENT)
    assert backdoor.read("/b") == CONTENT
    await driver.aclose()


async def test_a_request_that_is_not_answered_is_sent_again(weather: Weather) -> None:
    settings = settings_of(
        f"{weather.url}/{ACCOUNT}", max_attempts=9, read_timeout_seconds=1, part_bytes=1000
    )
    driver = create_driver("azure", settings)
    weather.rule = first(Fault(kind="hang"), every)
    await driver.put("/a", b"content")
    weather.rule = first(Fault(kind="hang"), every)
    assert await driver.get("/a") == b"content"
    weather.clear()
    await driver.aclose()


async def test_a_request_that_goes_on_failing_is_given_up(
    driver: StorageDriver, weather: Weather
) -> None:
    weather.rule = lambda _: BUSY
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "put": lambda: driver.put("/a", b""),
        "get": lambda: driver.get("/a"),
        "stat": lambda: driver.stat("/a"),
        "list": lambda: list_names(driver, "/"),
        "move": lambda: driver.move("/a", "/b"),
        "delete": lambda: driver.delete("/a"),
        "open_appender": lambda: driver.open_appender("/a", create=True),
    }
    for name, call in calls.items():
        before = len(weather.requests)
        with pytest.raises(DriverUnavailable):
            await call()
        assert len(weather.requests) - before == 3, name
    await driver.aclose()


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412])
async def test_a_refusal_is_not_tried_again(
    driver: StorageDriver, weather: Weather, status: int
) -> None:
    weather.rule = lambda _: Fault(kind="answer", status=status)
    before = len(weather.requests)
    with pytest.raises((DriverUnavailable, PathNotFound)):
        await driver.put("/a", b"")
    assert len(weather.requests) - before == 1
    await driver.aclose()


# What was done, and not seen.


async def test_a_part_whose_answer_was_lost_is_appended_once(
    driver: StorageDriver, backdoor: Backdoor, weather: Weather
) -> None:
    await append(driver, "/a", b"before", create=True)
    weather.rule = first(UNSEEN, is_append)
    assert await append(driver, "/a", CONTENT) == 6 + len(CONTENT)
    assert backdoor.read("/a") == b"before" + CONTENT
    assert weather.faulted
    await driver.aclose()


async def test_bytes_of_another_at_the_same_place_are_not_taken_for_ones_own(
    driver: StorageDriver, backdoor: Backdoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await driver.open_appender("/a", create=True) as writer:
        await writer.write(b"ours")
        await writer.flush()
        backdoor.break_lease("/a")
        backdoor.append("/a", b"same")
        # Without a check of the lease, only the offset and the bytes are left to tell.
        for name in ("append_block", "get_blob_properties"):
            monkeypatch.setattr(BlobClient, name, _without_lease(getattr(BlobClient, name)))
        await writer.write(b"ours")
        with pytest.raises((DriverUnavailable, PathNotFound)):
            await writer.flush()
        with pytest.raises((DriverUnavailable, PathNotFound)):
            await writer.aclose()
    assert backdoor.read("/a") == b"ourssame"
    await driver.aclose()


def _without_lease(call: Callable[..., object]) -> Callable[..., object]:
    def called(*arguments: object, **options: object) -> object:
        options.pop("lease", None)
        return call(*arguments, **options)

    return called


async def test_an_upload_whose_beginning_was_not_seen_is_begun(
    driver: StorageDriver, backdoor: Backdoor, weather: Weather
) -> None:
    for number, matches in enumerate(
        (
            lambda request: request.method == "PUT" and "comp=" not in request.target,
            lambda request: "comp=lease" in request.target,
        )
    ):
        path = f"/a{number}"
        weather.rule = first(UNSEEN, matches)
        assert await append(driver, path, b"content", create=True) == 7
        weather.rule = first(UNSEEN, matches)
        assert await append(driver, path, b" more") == 12
        assert backdoor.read(path) == b"content more"
    await driver.aclose()


async def test_a_delete_whose_answer_was_lost_has_found_its_file(
    driver: StorageDriver, backdoor: Backdoor, weather: Weather
) -> None:
    await driver.put("/a", b"content")
    weather.rule = first(UNSEEN, lambda request: request.method == "DELETE")
    await driver.delete("/a")
    assert backdoor.paths() == set()
    with pytest.raises(PathNotFound):
        await driver.delete("/a")
    await driver.aclose()


@pytest.mark.parametrize("number", range(8))
async def test_a_move_is_made_whichever_answer_is_lost(
    driver: StorageDriver, backdoor: Backdoor, weather: Weather, number: int
) -> None:
    async with await driver.open_appender("/up/a", create=True) as upload:
        await upload.write(CONTENT)
        await upload.commit()
        begun = len(weather.requests)
        weather.rule = lambda _: UNSEEN if len(weather.requests) - begun == number else None
        await driver.move("/up/a", "/a")
    assert backdoor.read("/a") == CONTENT
    assert backdoor.paths() == {"/a"}
    await driver.aclose()


@pytest.mark.parametrize("number", range(12))
async def test_a_commit_is_made_whichever_answer_is_lost(
    driver: StorageDriver, backdoor: Backdoor, weather: Weather, number: int
) -> None:
    await driver.put("/a", b"old")
    begun = len(weather.requests)
    weather.rule = lambda _: UNSEEN if len(weather.requests) - begun == number else None
    await write_all(driver, "/a", CONTENT)
    assert backdoor.read("/a") == CONTENT
    assert backdoor.paths() == {"/a"}
    await driver.aclose()


async def test_a_writer_that_could_not_clean_up_leaves_what_can_be_discarded(
    driver: StorageDriver, backdoor: Backdoor, weather: Weather
) -> None:
    async with await driver.open_writer("/a") as leaving:
        await leaving.write(CONTENT)
        await leaving.flush()
        weather.rule = first(BUSY, lambda request: "comp=block" not in request.target, times=99)
    weather.clear()
    found = [one async for one in driver.list_unfinished("/")]
    for one in found:
        await driver.discard(one)
    assert [one async for one in driver.list_unfinished("/")] == []
    assert backdoor.paths() == set()
    await driver.aclose()


# Reading.


@pytest.mark.parametrize("kind", ["cut answer", "reset answer"])
@pytest.mark.parametrize(("start", "stop"), [(0, None), (7, None), (5, len(CONTENT) - 3)])
async def test_a_download_that_breaks_is_gone_on_with(
    driver: StorageDriver, weather: Weather, kind: str, start: int, stop: int | None
) -> None:
    await driver.put("/a", CONTENT)
    fault = Fault(kind="cut answer" if kind == "cut answer" else "reset answer", after=200_000)
    weather.rule = first(fault, lambda request: request.method == "GET", times=4)
    assert await read_all(driver, "/a", start, stop) == CONTENT[start:stop]
    await driver.aclose()


async def test_a_download_that_never_gives_a_byte_is_given_up(
    driver: StorageDriver, weather: Weather
) -> None:
    await driver.put("/a", CONTENT)
    weather.rule = lambda _: Fault(kind="cut answer", after=0)
    before = len(weather.requests)
    with pytest.raises(DriverUnavailable):
        await read_all(driver, "/a")
    assert len(weather.requests) - before <= reader._MAX_BREAKS + 1
    await driver.aclose()


@pytest.mark.parametrize("change", ["put", "delete"])
async def test_a_download_is_not_gone_on_with_in_other_content(
    driver: StorageDriver, backdoor: Backdoor, weather: Weather, change: str
) -> None:
    await driver.put("/a", CONTENT)
    fault = Fault(kind="reset answer", after=200_000)
    weather.rule = first(fault, lambda request: request.method == "GET")
    async with await driver.open_reader("/a") as opened:
        read = bytes(await opened.read(1000))
        if change == "put":
            backdoor.write("/a", bytes(len(CONTENT)))
        else:
            backdoor.delete("/a")
        with pytest.raises(DriverUnavailable):
            while chunk := await opened.read(100_000):
                read += bytes(chunk)
    assert CONTENT.startswith(read)
    await driver.aclose()


# The service verifies what reaches it.


@pytest.mark.parametrize("size", [10, 3 * PART_BYTES])
async def test_content_that_changes_on_its_way_is_refused(
    driver: StorageDriver, backdoor: Backdoor, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    async def of_other_content(content: bytes) -> bytes:
        return bytes(16)

    monkeypatch.setattr(writer, "md5_of", of_other_content)
    monkeypatch.setattr(appender, "md5_of", of_other_content)
    with pytest.raises(DriverUnavailable, match="Md5"):
        await write_all(driver, "/a", CONTENT[:size])
    with pytest.raises(DriverUnavailable, match="Md5"):
        await append(driver, "/b", CONTENT[:size], create=True)
    assert backdoor.read("/a") is None
    assert backdoor.read("/b") == b""
    await driver.aclose()


# What calls cost.


async def test_calls_cost_few_requests(driver: StorageDriver, weather: Weather) -> None:
    costs = {}

    async def count(name: str, call: Callable[[], Awaitable[object]]) -> None:
        before = len(weather.requests)
        await call()
        costs[name] = len(weather.requests) - before

    async def upload() -> None:
        async with await driver.open_appender("/up") as held:
            await held.write(b"content")
            await held.commit()

    await count("put", lambda: driver.put("/a/b", b"content"))
    await count("get", lambda: driver.get("/a/b"))
    await count("stat", lambda: driver.stat("/a/b"))
    await count("stat of a directory", lambda: driver.stat("/a"))
    await count("list", lambda: list_names(driver, "/a"))
    await count("small writer", lambda: write_all(driver, "/w", b"content"))
    await count("writer of 5 parts", lambda: write_all(driver, "/w", CONTENT))
    await count("begin upload", lambda: append(driver, "/up", b"", create=True))
    await count("go on with upload", upload)
    await count("move", lambda: driver.move("/up", "/moved"))
    await count("delete", lambda: driver.delete("/moved"))
    assert costs == {
        "put": 1,
        "get": 1,
        "stat": 1,
        "stat of a directory": 2,
        "list": 1,
        "small writer": 1,
        "writer of 5 parts": 10,
        "begin upload": 3,
        "go on with upload": 4,
        "move": 3,
        "delete": 2,
    }
    await driver.aclose()


async def test_a_lease_whose_answer_was_lost_keeps_the_next_writer_of_this_process_from_nothing(
    driver: StorageDriver, weather: Weather, backdoor: Backdoor
) -> None:
    await driver.create_upload("/up/a")
    weather.rule = lambda seen: UNSEEN if "comp=lease" in seen.target else None
    with pytest.raises(DriverUnavailable):
        await driver.open_appender("/up/a")
    weather.clear()
    await append(driver, "/up/a", b"content")
    # Nor does one that could not be let go of.
    async with await driver.open_appender("/up/a") as writer:
        weather.rule = lambda seen: BUSY if "comp=lease" in seen.target else None
        await writer.write(b" and more")
    weather.clear()
    await append(driver, "/up/a", b", and more")
    assert (await driver.stat_upload("/up/a")).size == 26
    await driver.aclose()
