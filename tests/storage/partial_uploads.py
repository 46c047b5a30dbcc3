"""Uploads that nobody finishes, and purges of them."""

from datetime import UTC, datetime, timedelta

from core.drivers import StorageDriver
from core.storage import Repository, RepositoryName
from core.storage.purging import PartialUpload, UploadPurge, find_uploads
from tests.storage.pushing import ROOT, stream

__all__ = ["HOUR", "UPLOADS", "WEEK", "begin", "found", "plant", "purge"]

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
