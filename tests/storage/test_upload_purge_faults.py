"""Purges of what crashed writers left, and purges that fail."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from core.drivers import CheckedDriver, StorageDriver, Unfinished, create_driver
from core.errors import DriverUnavailable, PathNotFound, UploadUnknown
from core.storage import Registry, Repository, RepositoryName
from core.storage.purging import PurgeReport
from tests.faulty import Call, Crash, FaultyDriver, failing, fails_at
from tests.storage.partial_uploads import HOUR, UPLOADS, WEEK, begin, found, plant, purge
from tests.storage.pushing import ROOT, R, all_files, image, push_image

__all__: list[str] = []


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
