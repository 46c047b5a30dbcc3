"""Partial uploads: found whatever shape they are in, and deleted once nobody will finish them."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from anyio import create_task_group

from core.digest import Digest
from core.drivers import CheckedDriver, ObjectInfo, StorageDriver, Unfinished, create_driver
from core.errors import DriverUnavailable, PathNotFound, UploadUnknown
from core.storage import Registry, Repository, RepositoryName
from core.storage.purging import PartialUpload, PurgeReport, UploadPurge, find_uploads
from tests.faulty import Call, Crash, FaultyDriver, failing, fails_at
from tests.storage.pushing import ROOT, R, all_files, assert_whole, image, push_image, stream

__all__: list[str] = []

WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
UPLOADS = f"{ROOT}/repositories/r/r/_uploads"


async def begin(repository: Repository, content: bytes = b"half a layer") -> str:
    """Begin an upload as a client does that then vanishes, and return its id."""
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(content))
        return upload.upload_id


async def plant(driver: StorageDriver, path: str, *, started: datetime | None = None) -> str:
    """Plant an upload of another program: its data, and when it was started."""
    await driver.put(f"{path}/data", b"planted")
    if started is not None:
        await driver.put(f"{path}/startedat", started.strftime("%Y-%m-%dT%H:%M:%SZ").encode())
    return path


async def found(driver: StorageDriver, name: RepositoryName | None = None) -> list[PartialUpload]:
    return sorted(
        [upload async for upload in find_uploads(driver, name)], key=lambda upload: upload.path
    )


def purge(
    driver: StorageDriver, *, later: timedelta, older_than: timedelta = WEEK, dry_run: bool = False
) -> UploadPurge:
    """Return a purge that is made `later`."""
    return UploadPurge(
        driver, older_than=older_than, dry_run=dry_run, now=lambda: datetime.now(UTC) + later
    )


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


# What crashed writers left.


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def files(root: Path) -> set[Path]:
    return {file for file in root.rglob("*") if file.is_file()}


@pytest.fixture
def disk(root: Path) -> StorageDriver:
    return create_driver("filesystem", {"root": root, "durability": "relaxed"})


async def test_what_a_crashed_writer_left_on_a_disk_is_deleted_once_it_is_old(
    disk: StorageDriver, root: Path
) -> None:
    await push_image(Registry(disk).repository(R), image(b"layer"), b"layer", tags=["v1"])
    before = files(root)
    for path in ("blobs/sha256/ab/abcd/data", "repositories/r/r/_layers/sha256/ab/link"):
        file = root / ROOT[1:] / f"{path}.{uuid.uuid4()}.tmp"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"half")
    assert [(upload.repository, upload.state, upload.size) for upload in await found(disk)] == [
        (None, "leftover", 4),
        ("r/r", "leftover", 4),
    ]
    assert await purge(disk, later=WEEK - HOUR).run() == PurgeReport()
    report = await purge(disk, later=WEEK + HOUR).run()
    assert report == PurgeReport(removed=2, freed_bytes=8)
    assert files(root) == before


async def test_an_upload_that_crashed_before_its_first_file_is_one_upload(
    disk: StorageDriver, root: Path
) -> None:
    directory = root / UPLOADS[1:] / "crashed"
    directory.mkdir(parents=True)
    (directory / f"startedat.{uuid.uuid4()}.tmp").write_bytes(b"")
    (upload,) = await found(disk)
    assert (upload.upload_id, upload.state, upload.size) == ("crashed", "broken", 0)
    assert await purge(disk, later=WEEK - HOUR).run() == PurgeReport()
    assert (await purge(disk, later=WEEK + HOUR).run()).removed == 1
    assert not directory.exists()


class Parts(FaultyDriver):
    """A store that keeps the parts of some content beside its files, as object stores do."""

    def __init__(self, driver: StorageDriver, *parts: Unfinished) -> None:
        super().__init__(driver)
        self.parts = list(parts)

    async def list_unfinished(self, path: str) -> AsyncIterator[Unfinished]:
        for part in list(self.parts):
            if part.path.startswith(f"{path}/"):
                yield part

    async def discard(self, unfinished: Unfinished) -> None:
        if unfinished not in self.parts:
            raise PathNotFound(unfinished.path)
        self.parts.remove(unfinished)


def part(path: str, *, size: int, days_ago: int, key: str = "1") -> Unfinished:
    started = datetime.now(UTC) - timedelta(days=days_ago)
    return Unfinished(path=path, key=key, size=size, started_at=started)


async def test_an_upload_with_nothing_but_parts_is_found_and_its_parts_discarded(
    driver: StorageDriver,
) -> None:
    """The incumbent deletes the files of an upload in an object store, and leaves its parts."""
    parts = Parts(
        driver,
        part(f"{UPLOADS}/old/data", size=100, days_ago=8),
        part(f"{UPLOADS}/young/data", size=10, days_ago=6),
    )
    assert [(one.upload_id, one.state, one.size) for one in await found(parts)] == [
        ("old", "broken", 100),
        ("young", "broken", 10),
    ]
    report = await purge(parts, later=timedelta(0)).run()
    assert report == PurgeReport(removed=1, freed_bytes=100)
    assert [one.path for one in parts.parts] == [f"{UPLOADS}/young/data"]


async def test_files_and_parts_of_one_upload_are_one_upload(
    driver: StorageDriver, repository: Repository
) -> None:
    upload_id = await begin(repository)
    data = f"{UPLOADS}/{upload_id}/data"
    parts = Parts(
        driver,
        part(data, size=5, days_ago=20, key="1"),
        part(data, size=4, days_ago=20, key="2"),
    )
    (upload,) = await found(parts)
    assert (upload.state, upload.size) == ("open", 12)
    assert await purge(parts, later=WEEK - HOUR).run() == PurgeReport()
    report = await purge(parts, later=WEEK + HOUR).run()
    assert report == PurgeReport(removed=1, freed_bytes=12)
    assert parts.parts == []
    assert await all_files(driver) == {}


async def test_parts_of_one_repository_are_looked_through_alone(driver: StorageDriver) -> None:
    parts = Parts(
        driver,
        part(f"{ROOT}/repositories/r/_uploads/mine/data", size=1, days_ago=8),
        part(f"{ROOT}/repositories/r/r/_uploads/other/data", size=1, days_ago=8),
        part(f"{ROOT}/blobs/sha256/ab/abcd/data", size=1, days_ago=8),
    )
    assert [one.upload_id for one in await found(parts, RepositoryName("r"))] == ["mine"]


async def test_parts_on_their_way_to_a_blob_are_discarded_once_they_are_old(
    driver: StorageDriver, repository: Repository
) -> None:
    await push_image(repository, image(b"layer"), b"layer", tags=["v1"])
    before = await all_files(driver)
    blob = f"{ROOT}/blobs/sha256/ab/abcd/data"
    parts = Parts(
        driver,
        part(blob, size=5, days_ago=8, key="dead"),
        part(blob, size=4, days_ago=0, key="alive"),
        part(f"{ROOT}/_moorage/purge/claim", size=0, days_ago=100),
    )
    report = await purge(parts, later=timedelta(0)).run()
    assert report == PurgeReport(removed=1, freed_bytes=5)
    assert [one.key for one in parts.parts] == ["alive", "1"]
    assert await all_files(driver) == before


# What fails.


@pytest.mark.parametrize("method", ["get", "stat_upload", "open_appender", "delete"])
async def test_an_upload_that_cannot_be_deleted_does_not_keep_the_others(
    driver: StorageDriver, repository: Repository, method: str
) -> None:
    for _ in range(3):
        await begin(repository)
    bad = sorted(upload.path for upload in await found(driver))[1]

    async def fail(call: Call) -> None:
        if call.method == method and call.path.startswith(bad) and call.moment == "before":
            raise DriverUnavailable(call.path, "told to fail")

    broken = CheckedDriver(FaultyDriver(driver, fail))
    report = await purge(broken, later=2 * WEEK).run()
    assert (report.removed, report.freed_bytes, len(report.failures)) == (2, 24, 1)
    assert report.failures[0].path.startswith(bad)
    assert [upload.path for upload in await found(driver)] == [bad]
    assert (await purge(driver, later=2 * WEEK).run()).removed == 1
    assert await all_files(driver) == {}


@pytest.mark.parametrize("place", ["repositories/a", "repositories/a/_uploads"])
async def test_a_directory_that_cannot_be_listed_does_not_keep_the_others(
    driver: StorageDriver, place: str
) -> None:
    for name in ("a", "b"):
        await plant(driver, f"{ROOT}/repositories/{name}/_uploads/{uuid.uuid4()}")
    broken = CheckedDriver(FaultyDriver(driver, failing("list", place)))
    report = await purge(broken, later=2 * WEEK).run()
    assert [failure.path for failure in report.failures] == [f"{ROOT}/{place}"]
    assert "b" not in {upload.repository for upload in await found(driver)}


async def test_a_store_that_cannot_name_its_parts_is_purged_of_files(
    driver: StorageDriver, repository: Repository
) -> None:
    await begin(repository)
    broken = CheckedDriver(FaultyDriver(driver, failing("list_unfinished")))
    report = await purge(broken, later=2 * WEEK).run()
    assert (report.removed, len(report.failures)) == (1, 1)


async def test_a_purge_that_dies_at_any_call_leaves_no_upload_half_open(
    driver: StorageDriver, repository: Repository
) -> None:
    """What it left can be gone on with, or is deleted by the next."""
    for number in count():
        upload_id = await begin(repository)
        dying = FaultyDriver(driver, fails_at(number, "after", Crash))
        try:
            await purge(dying, later=2 * WEEK).run()
        except Crash:
            try:
                upload = await repository.layers.resume(upload_id)
            except UploadUnknown:
                pass
            else:
                assert upload.offset == 12
        await purge(driver, later=2 * WEEK).run()
        assert await all_files(driver) == {}
        if number >= len(dying.calls):
            break
    assert number > 6
