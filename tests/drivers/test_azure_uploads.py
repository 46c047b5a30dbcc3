"""What the Azure driver writes and appends, in parts, under leases, and as which type of blob."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from anyio import create_task_group, sleep
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobProperties, BlobType, ContainerClient, StorageErrorCode
from azure.storage.blob.aio import BlobClient

from core.drivers import StorageDriver, Unfinished, create_driver
from core.drivers.azure import leases
from core.drivers.azure.appender import AzureAppender
from core.errors import DriverUnavailable, PathNotFound, WriterBusy
from tests.contracts.driver import append, list_names, list_unfinished, write_all
from tests.drivers.azure_backdoor import PART_BYTES, Backdoor, content_of, driver_of, settings_of
from tests.servers.azurite import ACCOUNT_KEY, Azurite

__all__: list[str] = []

pytestmark = pytest.mark.needs("azurite")


@pytest.fixture
def driver(azurite: Azurite) -> StorageDriver:
    return create_driver("azure", settings_of(azurite.endpoint_url))


@pytest.fixture
def backdoor(container: ContainerClient, driver: StorageDriver) -> Backdoor:
    return Backdoor(container, driver)


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
