"""The Azure driver, on Azurite."""

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from anyio import create_task_group, sleep
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobProperties,
    BlobType,
    ContainerClient,
    ContainerSasPermissions,
    StorageErrorCode,
    generate_container_sas,
)
from azure.storage.blob.aio import BlobClient

from api.settings import Settings
from core.drivers import StorageDriver, Unfinished, create_driver
from core.drivers.azure import copies, leases, reader
from core.drivers.azure import driver as driver_module
from core.drivers.azure.appender import AzureAppender
from core.drivers.azure.published import is_published
from core.errors import DriverError, DriverUnavailable, PathNotFound, WriterBusy
from core.storage import Registry
from tests.contracts.driver import DriverContract, append, list_names, read_all, write_all
from tests.drivers.azure_backdoor import (
    PART_BYTES,
    Backdoor,
    content_of,
    driver_of,
    settings_of,
)
from tests.servers.azurite import ACCOUNT, ACCOUNT_KEY, Azurite
from tests.storage.pushing import R, push_blob, read_layer

__all__: list[str] = []

pytestmark = pytest.mark.needs("azurite")


@pytest.fixture
def driver(azurite: Azurite) -> StorageDriver:
    return create_driver("azure", settings_of(azurite.endpoint_url))


@pytest.fixture
def backdoor(container: ContainerClient, driver: StorageDriver) -> Backdoor:
    return Backdoor(container, driver)


class TestAzureDriver(DriverContract):
    @pytest.fixture(autouse=True)
    def _backdoor(self, backdoor: Backdoor) -> None:
        self.backdoor = backdoor

    async def stored(self, driver: StorageDriver, path: str) -> bytes | None:
        return self.backdoor.read(path)

    async def plant(self, driver: StorageDriver, path: str, content: bytes) -> None:
        self.backdoor.write(path, content)

    async def leftovers(self, driver: StorageDriver) -> set[str]:
        return self.backdoor.paths()


async def list_unfinished(driver: StorageDriver) -> list[Unfinished]:
    return [one async for one in driver.list_unfinished("/")]


# Writers and appenders.


@pytest.mark.parametrize(
    "size", [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES, 9 * PART_BYTES + 3]
)
async def test_content_of_any_number_of_parts_is_written(
    driver: StorageDriver, backdoor: Backdoor, size: int
) -> None:
    content = content_of(size)
    await write_all(driver, "/a", content[:100], content[100:])
    assert backdoor.read("/a") == content
    assert backdoor.paths() == {"/a"}
    await driver.aclose()


async def test_an_upload_is_gone_on_with_after_any_number_of_bytes(
    driver: StorageDriver, backdoor: Backdoor
) -> None:
    sizes = [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 7, 5]
    content = content_of(sum(sizes))
    await append(driver, "/a", b"", create=True)
    position = 0
    for size in sizes:
        assert await append(driver, "/a", content[position : position + size]) == position + size
        position += size
    assert backdoor.read("/a") == content
    assert backdoor.type_of("/a") == BlobType.APPENDBLOB
    await driver.aclose()


async def test_large_rivals_of_one_path_do_not_harm_each_other(
    driver: StorageDriver, backdoor: Backdoor
) -> None:
    one, two, three = (content_of(4 * PART_BYTES, seed) for seed in (1, 2, 3))
    async with (
        await driver.open_writer("/a") as first,
        await driver.open_writer("/a") as second,
        await driver.open_writer("/a") as third,
    ):
        for writer, content in ((first, one), (second, two), (third, three)):
            await writer.write(content[:-5])
        await third.cancel()
        await driver.put("/a", b"small")
        await second.write(two[-5:])
        await second.commit()
        assert backdoor.read("/a") == two
        await first.write(one[-5:])
        await first.commit()
    assert backdoor.read("/a") == one
    assert backdoor.paths() == {"/a"}
    assert await list_unfinished(driver) == []
    await driver.aclose()


async def test_an_appender_whose_lease_was_taken_adds_nothing(
    driver: StorageDriver, backdoor: Backdoor
) -> None:
    async with await driver.open_appender("/a", create=True) as late:
        await late.write(b"first")
        await late.flush()
        backdoor.break_lease("/a")
        async with await driver.open_appender("/a") as other:
            await late.write(b"late")
            with pytest.raises(WriterBusy):
                await late.flush()
            await other.write(b" second")
            with pytest.raises(WriterBusy):
                await late.aclose()
    assert backdoor.read("/a") == b"first second"
    await driver.aclose()


async def test_an_appender_whose_lease_was_taken_deletes_nothing(
    driver: StorageDriver, backdoor: Backdoor
) -> None:
    late = await driver.open_appender("/a", create=True)
    await late.write(b"first")
    await late.flush()
    backdoor.break_lease("/a")
    async with await driver.open_appender("/a"):
        await late.cancel()
        assert backdoor.read("/a") == b"first"
    await driver.aclose()


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_a_lease_ends_with_its_process_and_not_before(
    driver: StorageDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The shortest that Azure gives.
    monkeypatch.setattr(leases, "LIFETIME_SECONDS", 15)
    monkeypatch.setattr(leases, "_RENEWAL_SECONDS", 5)
    inner = driver_of(driver)
    dead = await AzureAppender.open(inner._store, "/dead", inner._parts, create=True)
    await dead._lease.abandon()
    async with await driver.open_appender("/alive", create=True) as alive:
        with pytest.raises(WriterBusy):
            await driver.open_appender("/dead")
        await sleep(17)
        with pytest.raises(WriterBusy):
            await driver.open_appender("/alive")
        assert await append(driver, "/dead", b"taken over") == 10
        await alive.write(b"still here")
        await alive.commit()
    assert await driver.get("/alive") == b"still here"
    await driver.aclose()


async def test_content_that_was_not_appended_is_not_added_to(
    driver: StorageDriver, backdoor: Backdoor
) -> None:
    await driver.put("/a", b"content")
    with pytest.raises(DriverUnavailable, match="not appended"):
        await driver.open_appender("/a")
    # It is not left leased.
    await driver.put("/a", b"newer")
    assert backdoor.read("/a") == b"newer"
    await driver.aclose()


# Types of blobs, which Azure keeps, and the emulator does not.


@pytest.fixture
def lasting_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses, as Azure does, to replace a blob by one of another type."""
    upload, copy = BlobClient.upload_blob, BlobClient.start_copy_from_url

    async def check(blob: BlobClient, wanted: str) -> None:
        try:
            found: BlobProperties = await blob.get_blob_properties()
        except HttpResponseError:
            return
        if found.blob_type != wanted:
            error = HttpResponseError("The blob type is invalid for this operation.")
            error.status_code = 409
            vars(error)["error_code"] = StorageErrorCode.INVALID_BLOB_TYPE
            raise error

    async def strict_upload(self: BlobClient, *args: object, **options: object) -> object:
        await check(self, BlobType.BLOCKBLOB)
        return await upload(self, *args, **options)  # type: ignore[arg-type]

    async def strict_copy(self: BlobClient, url: str, **options: object) -> object:
        source = BlobClient.from_blob_url(url, credential=ACCOUNT_KEY)
        async with source:
            kind = (await source.get_blob_properties()).blob_type
        await check(self, str(kind.value))
        return await copy(self, url, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(BlobClient, "upload_blob", strict_upload)
    monkeypatch.setattr(BlobClient, "start_copy_from_url", strict_copy)


@pytest.mark.usefixtures("lasting_types")
@pytest.mark.parametrize("size", [5, 3 * PART_BYTES + 1])
@pytest.mark.parametrize("call", ["put", "open_writer", "move", "copy"])
async def test_an_append_blob_is_replaced_without_being_missed(
    driver: StorageDriver, backdoor: Backdoor, call: str, size: int
) -> None:
    backdoor.write("/a", b"appended", BlobType.APPENDBLOB)
    content = content_of(size)
    missed = 0
    done = False

    async def watch() -> None:
        nonlocal missed
        while not done:
            missed += backdoor.read("/a") not in {b"appended", content}
            await sleep(0.001)

    async with create_task_group() as tasks:
        tasks.start_soon(watch)
        if call == "put":
            await driver.put("/a", content)
        elif call == "open_writer":
            await write_all(driver, "/a", content)
        else:
            await driver.put("/b", content)
            await getattr(driver, call)("/b", "/a")
        done = True
    assert missed == 0
    assert backdoor.read("/a") == content
    assert backdoor.paths() == {"/a", "/b"} if call == "copy" else {"/a"}
    await driver.aclose()


@pytest.mark.usefixtures("lasting_types")
@pytest.mark.parametrize("size", [5, 3 * PART_BYTES + 1])
async def test_a_finished_upload_replaces_a_block_blob(
    driver: StorageDriver, backdoor: Backdoor, size: int
) -> None:
    await driver.put("/a", b"old")
    content = content_of(size)
    async with await driver.open_appender("/up/a", create=True) as writer:
        await writer.write(content)
        await writer.commit()
        await driver.move("/up/a", "/a")
    assert backdoor.read("/a") == content
    assert backdoor.paths() == {"/a"}
    await driver.aclose()


# Copies, some of which take their time.


async def test_what_was_written_after_it_was_copied_is_not_deleted_by_a_move(
    driver: StorageDriver, backdoor: Backdoor
) -> None:
    store = driver_of(driver)._store
    await driver.put("/a", b"copied")
    etag = await copies.copy_blob(store, "/a", "/b")
    await driver.put("/a", b"written since")
    await copies.delete_version(store, "/a", etag)
    assert backdoor.read("/a") == b"written since"
    assert backdoor.read("/b") == b"copied"
    await driver.aclose()


async def test_what_is_not_copied_yet_is_not_there(
    driver: StorageDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (reader, driver_module, copies):
        monkeypatch.setattr(module, "is_published", lambda _: False)
    await driver.put("/a", b"half")
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: driver.get("/a"),
        lambda: driver.stat("/a"),
        lambda: driver.open_reader("/a", 0, 0),
        lambda: driver.move("/a", "/b"),
    ]
    for call in calls:
        with pytest.raises(PathNotFound):
            await call()
    await driver.aclose()


@pytest.mark.parametrize(
    ("status", "whole"), [(None, True), ("success", True), ("pending", False), ("aborted", False)]
)
def test_only_a_copy_that_has_succeeded_is_whole(status: str | None, whole: bool) -> None:
    assert is_published(status) is whole


class SlowCopy:
    """A blob whose copy goes through the given states, one for each time that it is asked."""

    def __init__(self, *states: tuple[str, str]) -> None:
        self._states = list(states)
        self.aborted = False

    async def get_blob_properties(self) -> BlobProperties:
        status, progress = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        found = BlobProperties()
        found.copy.id, found.copy.status, found.copy.progress = "id", status, progress
        return found

    async def abort_copy(self, copy_id: str) -> None:
        self.aborted = True


async def test_a_copy_that_takes_time_is_waited_for() -> None:
    blob = SlowCopy(("pending", "0/9"), ("pending", "5/9"), ("success", "9/9"))
    await copies._wait_for_copy("/a", blob, "id")  # type: ignore[arg-type]
    assert len(blob._states) == 1


@pytest.mark.parametrize("status", ["failed", "aborted"])
async def test_a_copy_that_fails_is_a_fault(status: str) -> None:
    blob = SlowCopy(("pending", "0/9"), (status, "5/9"))
    with pytest.raises(DriverUnavailable, match=status):
        await copies._wait_for_copy("/a", blob, "id")  # type: ignore[arg-type]


async def test_a_copy_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_STALLED_SECONDS", 0.2)
    blob = SlowCopy(("pending", "3/9"))
    with pytest.raises(DriverUnavailable, match="stalled"):
        await copies._wait_for_copy("/a", blob, "id")  # type: ignore[arg-type]
    assert blob.aborted


# What is left behind.


async def test_what_a_dead_process_left_is_hidden_listed_and_discarded(
    driver: StorageDriver, backdoor: Backdoor
) -> None:
    end = ".0190a6a2-3a5f-7cc0-8a11-5f0e4e1b2c3d.tmp"
    await driver.put("/a/b", b"content")
    backdoor.stage(f"/a/b{end}", b"block")
    backdoor.write(f"/a/c{end}", b"committed")
    backdoor.write(f"/a/d{end}", b"appended", BlobType.APPENDBLOB)
    assert await list_names(driver, "/a") == ["b"]
    found = {one.path: one for one in await list_unfinished(driver)}
    assert {path: one.size for path, one in found.items()} == {"/a/b": 5, "/a/c": 9, "/a/d": 8}
    for one in found.values():
        assert abs(one.started_at - datetime.now(UTC)) < timedelta(minutes=1)
        await driver.discard(one)
        with pytest.raises(PathNotFound):
            await driver.discard(one)
    assert await list_unfinished(driver) == []
    assert backdoor.paths() == {"/a/b"}
    await driver.aclose()


async def test_what_is_no_temporary_name_is_not_discarded(
    driver: StorageDriver, backdoor: Backdoor
) -> None:
    await driver.put("/a", b"content")
    one = Unfinished(path="/a", key="/a", size=7, started_at=datetime.now(UTC))
    for forged in (one, dataclasses.replace(one, key="/b")):
        with pytest.raises(PathNotFound):
            await driver.discard(forged)
    assert backdoor.read("/a") == b"content"
    await driver.aclose()


# Redirects.


async def test_a_redirect_is_good_for_any_range_and_for_a_head_and_for_nothing_else(
    driver: StorageDriver,
) -> None:
    await driver.put("/a/b", b"0123456789")
    await driver.put("/a/c", b"other")
    url = await driver.redirect_url("/a/b", "GET")
    assert url is not None
    async with httpx.AsyncClient() as client:
        whole = await client.get(url)
        assert (whole.status_code, whole.content) == (200, b"0123456789")
        part = await client.get(url, headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, b"234")
        assert part.headers["Content-Range"] == "bytes 2-4/10"
        head = await client.head(str(await driver.redirect_url("/a/b", "HEAD")))
        assert (head.status_code, head.headers["Content-Length"]) == (200, "10")
        assert (await client.get(url.replace("/a/b?", "/a/c?"))).status_code == 403
        assert (await client.get(url.replace("sig=", "sig=A"))).status_code == 403
        refused = await client.put(url, content=b"x", headers={"x-ms-blob-type": "BlockBlob"})
        assert refused.status_code == 403
    assert await driver.get("/a/b") == b"0123456789"
    await driver.aclose()


async def test_a_redirect_ends_after_its_time(azurite: Azurite) -> None:
    driver = create_driver("azure", settings_of(azurite.endpoint_url, redirect_seconds=3))
    await driver.put("/a", b"content")
    url = str(await driver.redirect_url("/a", "GET"))
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 200
        await sleep(4.1)
        assert (await client.get(url)).status_code == 403
    await driver.aclose()


async def test_a_redirect_leads_to_the_address_for_clients(azurite: Azurite) -> None:
    settings = settings_of(azurite.endpoint_url, redirect_endpoint_url="https://cdn.example/x/")
    driver = create_driver("azure", settings)
    url = str(await driver.redirect_url("/a", "GET"))
    assert url.startswith(f"https://cdn.example/x/registry/{settings['root_prefix']}/a?")
    assert ACCOUNT_KEY not in url
    await driver.aclose()


async def test_there_is_no_redirect_without_the_key_or_when_it_is_switched_off(
    azurite: Azurite, container: ContainerClient
) -> None:
    token = generate_container_sas(
        ACCOUNT,
        "registry",
        ACCOUNT_KEY,
        permission=ContainerSasPermissions(read=True, write=True, delete=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    settings = settings_of(azurite.endpoint_url, account_key="", sas_token=token)
    for driver in (
        create_driver("azure", settings),
        create_driver("azure", settings_of(azurite.endpoint_url, redirect=False)),
    ):
        content = content_of(3 * PART_BYTES)
        await write_all(driver, "/a", content)
        async with await driver.open_appender("/b", create=True) as writer:
            await writer.write(content)
            await writer.commit()
            await driver.move("/b", "/c")
        assert await read_all(driver, "/c", 5, 70_000) == content[5:70_000]
        assert await driver.get("/a") == content
        assert await driver.redirect_url("/a", "GET") is None
        await driver.delete("/c")
        await driver.aclose()


# Settings.


async def test_a_connection_string_is_enough(azurite: Azurite, container: ContainerClient) -> None:
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint={azurite.endpoint_url};"
    )
    driver = create_driver("azure", {"container": "registry", "connection_string": connection})
    await driver.put("/at-the-root/a", b"content")
    assert await driver.get("/at-the-root/a") == b"content"
    assert await driver.redirect_url("/at-the-root/a", "GET") is not None
    await driver.delete("/at-the-root")
    await driver.aclose()


def test_the_settings_are_those_that_the_driver_takes() -> None:
    text = {"container": "c", "account_name": "a", "account_key": ACCOUNT_KEY}
    settings = Settings.model_validate({"storage": {"driver": "azure", "azure": text}})
    options = settings.storage.driver_options()
    assert options["account_key"] == ACCOUNT_KEY
    assert create_driver("azure", options).flat
    assert ACCOUNT_KEY not in repr(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"container": "c"},
        {"container": "c", "account_name": "a"},
        {"container": "c", "account_key": ACCOUNT_KEY},
        {"container": "c", "connection_string": "nonsense"},
        {"account_name": "a", "account_key": ACCOUNT_KEY},
    ],
)
def test_incomplete_credentials_are_refused_at_once(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"azure|onnection string|container"):
        create_driver("azure", settings)


async def test_a_missing_container_is_no_missing_file(
    azurite: Azurite, container: ContainerClient
) -> None:
    driver = create_driver("azure", settings_of(azurite.endpoint_url, container="missing"))
    calls = [
        driver.get("/a"),
        driver.put("/a", b""),
        driver.stat("/a"),
        driver.delete("/a"),
        driver.open_appender("/a"),
        driver.open_reader("/a", 0, 0),
        list_names(driver, "/"),
    ]
    for call in calls:
        with pytest.raises(DriverError) as caught:
            await call
        assert isinstance(caught.value, DriverUnavailable), caught.value
    await driver.aclose()


async def test_the_registry_pushes_and_pulls_over_it(
    driver: StorageDriver, backdoor: Backdoor, container: ContainerClient
) -> None:
    content = content_of(3 * PART_BYTES + 1)
    repository = Registry(driver).repository(R)
    digest = await push_blob(repository, content)
    assert await read_layer(repository, digest) == content
    path = f"/docker/registry/v2/blobs/sha256/{digest.encoded[:2]}/{digest.encoded}/data"
    assert backdoor.read(path) == content
    assert not any("_uploads" in stored for stored in backdoor.paths())
    await driver.aclose()
