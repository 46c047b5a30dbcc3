"""The parts that the GCS driver composes, its uploads, and those of the incumbent."""

import base64
import hashlib
import time
from datetime import UTC, datetime, timedelta

import pytest
from anyio import CancelScope, create_task_group, fail_after, sleep

from core.drivers.gcs.bucket import Bucket, StoredObject
from core.drivers.gcs.compose import compose_all
from core.errors import DriverError, DriverUnavailable, PathNotFound
from tests.contracts.driver import append, list_names, list_unfinished, write_all
from tests.drivers.gcs_backdoor import GCSBackdoor, gcs_of
from tests.servers.weather import Fault, running_weather

__all__: list[str] = []

pytestmark = pytest.mark.needs("fake-gcs-server")

MIB = 1024 * 1024
SESSION = "application/x-docker-upload-session"


# What the incumbent keeps of an upload stands at the path of its content, under a type of its own.


async def test_an_upload_of_the_incumbent_is_no_file(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    await gcs.write("/a/b", b"the tail of a resumable upload", SESSION)
    for call in (
        driver.get("/a/b"),
        driver.stat("/a/b"),
        driver.stat_upload("/a/b"),
        driver.open_reader("/a/b", 3, 3),
        driver.open_reader("/a/b", 100),
        driver.open_appender("/a/b"),
        driver.move("/a/b", "/c"),
        driver.copy("/a/b", "/c"),
    ):
        with pytest.raises(PathNotFound):
            await call
    assert await list_names(driver, "/a") == []
    await driver.delete("/a")
    assert await gcs.everything() == {}


async def test_an_upload_takes_the_place_of_one_of_the_incumbent(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    await gcs.write("/a", b"the tail of a resumable upload", SESSION)
    async with await driver.open_appender("/a", create=True) as writer:
        await writer.write(b"content")
        await writer.commit()
    assert await driver.get("/a") == b"content"


# Parts.


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.drivers.gcs.client._FIRST_PAUSE_SECONDS", 0.02)


@pytest.mark.parametrize(
    "count",
    [1, 31, 32, 33, 64, 65, pytest.param(1025, marks=pytest.mark.slow)],
)
async def test_any_number_of_parts_becomes_one_object(gcs: GCSBackdoor, count: int) -> None:
    driver = gcs.driver(part_bytes=1000, part_concurrency=16)
    content = b"".join(hashlib.sha256(b"%d" % n).digest() * 32 for n in range(count))[
        : count * 1000 - 1
    ]
    await write_all(driver, "/written", content)
    assert await gcs.read("/written") == content
    assert set(await gcs.everything()) == {"/written"}


async def test_parts_of_many_appenders_become_one_object(gcs: GCSBackdoor) -> None:
    driver = gcs.driver(part_bytes=1000)
    await driver.create_upload("/a")
    content = b""
    for number in range(12):
        chunk = hashlib.sha256(b"%d" % number).digest() * 128
        assert await append(driver, "/a", chunk) == len(content) + len(chunk)
        content += chunk
    async with await driver.open_appender("/a") as writer:
        await writer.commit()
    assert await gcs.read("/a") == content
    assert set(await gcs.everything()) == {"/a"}


async def test_content_of_one_part_is_stored_by_the_commit_alone(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    async with await driver.open_writer("/a") as writer:
        await writer.write(bytes(300_000))
        await sleep(0.05)
        assert await gcs.everything() == {}
        await writer.commit()
    await gcs.remove("/a")
    async with await driver.open_writer("/b") as writer:
        await writer.write(bytes(300_001))
        await sleep(0.5)
        (part,) = await gcs.everything()
        assert part.startswith("/b~parts/")


async def test_what_was_composed_has_to_have_the_checksum_of_its_parts(gcs: GCSBackdoor) -> None:
    driver = gcs_of(gcs.driver())
    await driver.put("/a", b"some ")
    await driver.put("/b", b"content")
    first = await driver._bucket.find("some/where/a")
    second = await driver._bucket.find("some/where/b")
    assert first is not None
    assert second is not None
    composed = await compose_all(driver._bucket, [first, second], "some/where/c")
    assert composed is not None
    assert composed.size == 12

    class SwappingBucket(Bucket):
        async def compose(self, sources: object, key: str) -> StoredObject | None:
            assert first is not None
            assert second is not None
            return await super().compose([second, first], key)

    swapping = SwappingBucket(driver._bucket._client, gcs.bucket)
    with pytest.raises(DriverUnavailable, match="differ from the parts"):
        await compose_all(swapping, [first, second], "some/where/d")
    assert set(await gcs.everything()) == {"/a", "/b", "/c"}


async def test_every_part_is_stored_with_its_md5(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    content = bytes(range(256)) * 1000
    await append(driver, "/a", content, create=True)
    parts = await gcs.everything()
    assert parts["/a~upload/00000001~part"]["md5Hash"] == base64.b64encode(
        hashlib.md5(content).digest()  # noqa: S324 - it is what the store has
    ).decode("ascii")


async def test_a_writer_is_discarded_while_the_store_is_slow(gcs: GCSBackdoor) -> None:
    with running_weather(gcs.url) as weather:
        weather.rule = lambda seen: (
            Fault(kind="slow", rate=1_000_000) if seen.method == "POST" else None
        )
        driver = gcs.driver(endpoint_url=weather.url, part_bytes=8 * MIB)
        writer = await driver.open_writer("/a")
        for _ in range(17):
            await writer.write(bytes(MIB))
        with fail_after(10):
            while len(weather.requests) < 2:  # noqa: ASYNC110 - the proxy is in another thread
                await sleep(0.05)
        begun = time.monotonic()
        await writer.aclose()
        assert time.monotonic() - begun < 5
        await driver.aclose()
    assert await gcs.everything() == {}


@pytest.mark.parametrize("delay", [0, 0.01, 0.03, 0.06, 0.1])
async def test_a_writer_that_is_cancelled_among_its_parts_leaves_none(
    gcs: GCSBackdoor, delay: float
) -> None:
    driver = gcs.driver(part_bytes=50_000)
    with CancelScope() as scope:
        async with create_task_group() as tasks:
            tasks.start_soon(write_all, driver, "/a", *[bytes(40_000)] * 50)
            await sleep(delay)
            scope.cancel()
    assert set(await gcs.everything()) <= {"/a"}
    assert await list_unfinished(driver) == []


# Uploads.


async def test_a_part_whose_forerunner_never_came_does_not_count(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    await append(driver, "/a", b"first", create=True)
    await gcs.write("/a~upload/00000003~part", b"third")
    assert (await driver.stat_upload("/a")).size == 5
    assert await append(driver, "/a", b" second") == 12
    async with await driver.open_appender("/a") as writer:
        await writer.commit()
    assert await gcs.read("/a") == b"first second"
    assert set(await gcs.everything()) == {"/a"}


async def test_an_upload_without_its_marker_is_none(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    await append(driver, "/a", b"bytes", create=True)
    await gcs.remove("/a~upload/00000000~part")
    with pytest.raises(PathNotFound):
        await driver.stat_upload("/a")
    with pytest.raises(PathNotFound):
        await driver.open_appender("/a")
    assert await gcs.everything() == {}


async def test_the_part_of_another_writer_is_never_overwritten(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    writer = await driver.open_appender("/a", create=True)
    await writer.write(b"mine")
    await gcs.write("/a~upload/00000001~part", b"theirs")
    with pytest.raises(DriverUnavailable, match="another writer"):
        await writer.flush()
    await gcs.write("/a~upload/00000002~part", b"theirs too")
    with pytest.raises(DriverUnavailable, match="another writer"):
        await writer.commit()
    with pytest.raises(DriverUnavailable, match="another writer"):
        await writer.aclose()
    assert await gcs.read("/a~upload/00000001~part") == b"theirs"
    assert (await driver.stat_upload("/a")).size == 16


async def test_a_crash_behind_the_commit_leaves_what_was_committed(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    await append(driver, "/a", b"content", create=True)
    await gcs.write("/a", b"content")
    assert (await driver.stat_upload("/a")).size == 7
    async with await driver.open_appender("/a") as writer:
        assert writer.size == 7
        await writer.commit()
    assert await gcs.read("/a") == b"content"
    assert set(await gcs.everything()) == {"/a"}


async def test_a_commit_fails_when_parts_of_another_have_come(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    await append(driver, "/a", b"first", create=True)
    async with await driver.open_appender("/a") as writer:
        await gcs.write("/a~upload/00000002~part", b"theirs")
        with pytest.raises(DriverUnavailable, match="another writer"):
            await writer.commit()
    assert await gcs.read("/a") is None


async def test_a_lost_claim_stops_its_writer(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    writer = await driver.open_appender("/a", create=True)
    inner = writer._writer  # type: ignore[attr-defined]
    inner._claim._lost = True
    for call in (writer.write(b"x"), writer.commit()):
        with pytest.raises(DriverUnavailable, match="another writer holds"):
            await call
    await writer.aclose()


async def test_an_upload_that_is_begun_twice_keeps_what_it_has(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    await driver.create_upload("/a")
    await append(driver, "/a", b"bytes")
    await driver.create_upload("/a")
    assert (await driver.stat_upload("/a")).size == 5


# Unfinished content.


async def test_unfinished_content_is_told_by_its_writers(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    before = datetime.now(UTC) - timedelta(seconds=1)
    await append(driver, "/a/up", b"12345", create=True)
    await append(driver, "/a/up", b"678")
    await gcs.write("/a/b~parts/one/00000000~part", b"1234")
    await gcs.write("/a/b~parts/one/00000001~part", b"56")
    await gcs.write("/a/b~parts/two/00000000~part", b"1")
    await gcs.write("/ab~parts/three/00000000~part", b"1")
    await gcs.write("/a~parts/four/00000000~part", b"1")
    await gcs.write("/a/file", b"content")
    found = await list_unfinished(driver, "/a")
    assert sorted((one.path, one.size) for one in found) == [
        ("/a", 1),
        ("/a/b", 1),
        ("/a/b", 6),
        ("/a/up", 8),
    ]
    assert all(before < one.started_at < datetime.now(UTC) for one in found)
    assert len(await list_unfinished(driver)) == 5
    for one in found:
        await driver.discard(one)
    assert set(await gcs.everything()) == {"/ab~parts/three/00000000~part", "/a/file"}


async def test_a_discarded_upload_ends_its_appender_and_its_claim(gcs: GCSBackdoor) -> None:
    driver = gcs.driver()
    writer = await driver.open_appender("/a", create=True)
    await writer.write(b"bytes")
    await writer.flush()
    (found,) = await list_unfinished(driver)
    await driver.discard(found)
    assert await gcs.everything() == {}
    with pytest.raises(DriverError):
        await writer.commit()
    with pytest.raises(PathNotFound):
        await writer.aclose()
    assert await gcs.everything() == {}
