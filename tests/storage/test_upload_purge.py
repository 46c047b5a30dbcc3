"""Partial uploads: found whatever shape they are in, and deleted once nobody will finish them."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from anyio import create_task_group

from core.digest import Digest
from core.drivers import ObjectInfo, StorageDriver
from core.errors import UploadUnknown
from core.storage import Registry, Repository, RepositoryName
from core.storage.purging import PartialUpload, PurgeReport, UploadPurge
from tests.faulty import Call, FaultyDriver
from tests.storage.partial_uploads import HOUR, UPLOADS, WEEK, begin, found, plant, purge
from tests.storage.pushing import ROOT, all_files, assert_whole, image, push_image, stream

__all__: list[str] = []


# What is found.


async def test_an_empty_store_has_no_partial_uploads(driver: StorageDriver) -> None:
    assert await found(driver) == []
    assert await purge(driver, later=WEEK).run() == PurgeReport()


async def test_an_upload_is_found_with_its_start_and_what_was_received(
    driver: StorageDriver, repository: Repository
) -> None:
    upload_id = await begin(repository)
    started = (await repository.layers.resume(upload_id)).started_at
    assert await found(driver) == [
        PartialUpload(
            repository="r/r",
            upload_id=upload_id,
            path=f"{UPLOADS}/{upload_id}",
            started_at=started,
            size=12,
            state="open",
            unfinished=(),
        )
    ]


@pytest.mark.parametrize("name", ["a", "a/b", "a/b/c/d/e/f", "Host.com/x", "0-9"])
async def test_uploads_are_found_at_any_depth_also_in_repositories_of_nothing_else(
    driver: StorageDriver, name: str
) -> None:
    path = await plant(driver, f"{ROOT}/repositories/{name}/_uploads/{uuid.uuid4()}")
    (upload,) = await found(driver)
    assert (upload.repository, upload.path) == (name, path)


@pytest.mark.parametrize("upload_id", ["not-a-uuid", "0", "a.b_c", "9CE6B9B0-3611-4745"])
async def test_an_upload_is_found_whatever_its_id_looks_like(
    driver: StorageDriver, upload_id: str
) -> None:
    await plant(driver, f"{UPLOADS}/{upload_id}")
    (upload,) = await found(driver)
    assert upload.upload_id == upload_id


async def test_one_repository_is_looked_through_alone(driver: StorageDriver) -> None:
    for name in ("r/r", "r", "r/r/r", "r/r-2"):
        await plant(driver, f"{ROOT}/repositories/{name}/_uploads/{uuid.uuid4()}")
    assert [upload.repository for upload in await found(driver, RepositoryName("r/r"))] == ["r/r"]
    assert await found(driver, RepositoryName("missing")) == []
    one = UploadPurge(driver, older_than=timedelta(0), repository=RepositoryName("r/r"))
    assert (await one.run()).removed == 1
    assert len(await found(driver)) == 3


async def test_finished_and_cancelled_pushes_leave_nothing_to_find(
    driver: StorageDriver, repository: Repository
) -> None:
    await push_image(repository, image(b"layer"), b"layer", tags=["v1"])
    upload = await repository.layers.upload()
    await upload.cancel()
    assert await found(driver) == []


# How old it is.


async def test_an_upload_is_deleted_with_all_that_is_its_own_once_it_is_old(
    driver: StorageDriver, repository: Repository
) -> None:
    await push_image(repository, image(b"layer"), b"layer", tags=["v1"])
    before = await all_files(driver)
    upload_id = await begin(repository)
    await driver.put(f"{UPLOADS}/{upload_id}/hashstates/sha256/12", b"state")
    report = await purge(driver, later=WEEK - HOUR).run()
    assert report == PurgeReport()
    assert (await repository.layers.resume(upload_id)).offset == 12
    report = await purge(driver, later=WEEK + HOUR).run()
    assert report == PurgeReport(removed=1, freed_bytes=12)
    assert await all_files(driver) == before
    with pytest.raises(UploadUnknown):
        await repository.layers.resume(upload_id)


async def test_age_is_counted_from_the_start_that_is_on_record(driver: StorageDriver) -> None:
    now = datetime.now(UTC)
    await plant(driver, f"{UPLOADS}/young", started=now - WEEK + HOUR)
    await plant(driver, f"{UPLOADS}/old", started=now - WEEK - HOUR)
    assert await purge(driver, later=timedelta(0)).run() == PurgeReport(removed=1, freed_bytes=7)
    assert [upload.upload_id for upload in await found(driver)] == ["young"]


@pytest.mark.parametrize("start", [None, b"", b"yesterday", b"\xff", b"2020-01-01T00:00:00"])
async def test_where_the_start_is_lost_age_is_counted_from_the_last_write(
    driver: StorageDriver, start: bytes | None
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    await plant(driver, f"{UPLOADS}/broken")
    if start is not None:
        await driver.put(f"{UPLOADS}/broken/startedat", start)
    (upload,) = await found(driver)
    assert upload.state == "broken"
    assert upload.started_at is not None
    assert before < upload.started_at < datetime.now(UTC) + timedelta(seconds=2)
    assert await purge(driver, later=WEEK - HOUR).run() == PurgeReport()
    report = await purge(driver, later=WEEK + HOUR).run()
    assert report == PurgeReport(removed=1, freed_bytes=7)
    assert await all_files(driver) == {}


async def test_what_a_cancel_of_the_incumbent_leaves_is_deleted(driver: StorageDriver) -> None:
    """Its own purge never finds this: there is no file that says when it was started."""
    leaked = f"{UPLOADS}/{uuid.uuid4()}"
    await driver.put(f"{leaked}/hashstates/sha256/0", b"sha\x03" + bytes(104))
    (upload,) = await found(driver)
    assert (upload.path, upload.state, upload.size) == (leaked, "broken", 0)
    assert await purge(driver, later=WEEK - HOUR).run() == PurgeReport()
    assert await purge(driver, later=WEEK + HOUR).run() == PurgeReport(removed=1)
    assert await found(driver) == []


async def test_what_a_refused_push_of_the_incumbent_leaves_is_deleted_once_it_is_old(
    driver: StorageDriver,
) -> None:
    path = await plant(driver, f"{UPLOADS}/{uuid.uuid4()}", started=datetime.now(UTC) - WEEK)
    for offset in (0, 7):
        await driver.put(f"{path}/hashstates/sha256/{offset}", bytes(108))
    (upload,) = await found(driver)
    assert (upload.state, upload.size) == ("open", 7)
    assert (await purge(driver, later=HOUR).run()).freed_bytes == 7
    assert await all_files(driver) == {}


async def test_an_upload_that_is_being_begun_is_left(
    driver: StorageDriver, repository: Repository
) -> None:
    """Whichever call of the store it has come to, and whatever is there of it then."""
    reports: list[PurgeReport] = []

    async def purge_now(call: Call) -> None:
        faulty.on_call = None
        reports.append(await purge(driver, later=timedelta(0), older_than=HOUR).run())
        faulty.on_call = purge_now

    faulty = FaultyDriver(driver, purge_now)
    async with await Registry(faulty).repository(repository.name).layers.upload() as upload:
        await upload.read_from(stream(b"content"))
        await upload.finish(Digest.of(b"content"))
    assert len(reports) > 10
    assert all(report == PurgeReport() for report in reports)
    await assert_whole(driver)


async def test_an_upload_whose_age_nobody_knows_is_left(driver: StorageDriver) -> None:
    class Dateless(FaultyDriver):
        async def stat(self, path: str) -> ObjectInfo:
            found = await super().stat(path)
            return ObjectInfo(
                path=path, size=found.size, is_directory=found.is_directory, modified_at=None
            )

    await plant(driver, f"{UPLOADS}/undated")
    (upload,) = await found(Dateless(driver))
    assert upload.started_at is None
    assert await purge(Dateless(driver), later=100 * WEEK).run() == PurgeReport()
    assert len(await all_files(driver)) == 1


# Who else is at it.


async def test_an_upload_that_is_being_written_is_left(
    driver: StorageDriver, repository: Repository
) -> None:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(b"first"))
        report = await purge(driver, later=2 * WEEK).run()
        assert report == PurgeReport(busy=1)
        await upload.read_from(stream(b" second"))
        layer = await upload.finish(Digest.of(b"first second"))
    assert layer.size == 12
    await assert_whole(driver)
    assert await found(driver) == []


async def test_an_upload_that_was_finished_since_it_was_found_is_no_failure(
    driver: StorageDriver, repository: Repository
) -> None:
    upload_id = await begin(repository, b"content")
    slow = purge(driver, later=2 * WEEK)
    uploads = [upload async for upload in slow.find()]
    async with await repository.layers.resume(upload_id) as upload:
        await upload.finish(Digest.of(b"content"))
    assert [await slow.remove(upload) for upload in uploads] == ["gone"]
    assert slow.report == PurgeReport()
    await assert_whole(driver)


async def test_an_upload_that_was_begun_anew_since_it_was_found_is_left(
    driver: StorageDriver,
) -> None:
    await plant(driver, f"{UPLOADS}/again", started=datetime.now(UTC) - 2 * WEEK)
    slow = purge(driver, later=timedelta(0))
    (upload,) = [upload async for upload in slow.find()]
    await plant(driver, f"{UPLOADS}/again", started=datetime.now(UTC))
    assert await slow.remove(upload) == "busy"
    assert len(await found(driver)) == 1


async def test_two_purges_at_once_do_each_others_work_and_no_harm(
    driver: StorageDriver, repository: Repository
) -> None:
    await push_image(repository, image(b"layer"), b"layer", tags=["v1"])
    before = await all_files(driver)
    for number in range(20):
        await begin(repository)
        await driver.put(f"{UPLOADS}/leaked-{number}/hashstates/sha256/0", bytes(108))
    one, two = (purge(driver, later=2 * WEEK) for _ in range(2))
    async with create_task_group() as tasks:
        tasks.start_soon(one.run)
        tasks.start_soon(two.run)
    assert one.report.failures == two.report.failures == []
    assert one.report.removed + two.report.removed >= 40
    assert one.report.freed_bytes + two.report.freed_bytes == 20 * 12
    assert await all_files(driver) == before


async def test_a_dry_run_tells_what_would_go_and_deletes_nothing(
    driver: StorageDriver, repository: Repository
) -> None:
    await begin(repository)
    before = await all_files(driver)
    report = await purge(driver, later=2 * WEEK, dry_run=True).run()
    assert report == PurgeReport(removed=1, freed_bytes=12)
    assert await all_files(driver) == before
