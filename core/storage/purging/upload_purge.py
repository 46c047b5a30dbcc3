"""`UploadPurge`: deleting the partial uploads that nobody will finish."""

from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from core.drivers import StorageDriver
from core.errors import DriverError, PathNotFound, WriterBusy
from core.storage import paths
from core.storage.names import RepositoryName
from core.storage.purging.partial_uploads import PartialUpload, find_uploads, look_at_upload

__all__ = ["PurgeReport", "Removal", "UploadPurge", "utc_now"]

Removal = Literal["removed", "busy", "gone", "failed"]
"""What became of one upload: it was deleted; it was left, as somebody is at work on it; someone
else had ended it already; or the store did not delete it, or not all of it."""


def utc_now() -> datetime:
    """Return the time by this machine's clock."""
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class PurgeReport:
    """What a purge has done so far; of a dry run, what it would have done.

    Attributes:
        removed: uploads and leftovers that it deleted.
        freed_bytes: that these had received.
        busy: old ones that it left, as they were being written.
        failures: what could not be looked at or deleted.
    """

    removed: int = 0
    freed_bytes: int = 0
    busy: int = 0
    failures: list[DriverError] = field(default_factory=list)


class UploadPurge:
    """One purge of a store. Any number may run at once, on any nodes, and pushes may go on.

    An upload is deleted once it was started longer ago than `older_than`, unless it is being
    written at that moment. One whose age cannot be known is left: it has no file with a date, so
    it may have been begun just now.

    Attributes:
        report: its numbers so far.
    """

    def __init__(
        self,
        driver: StorageDriver,
        *,
        older_than: timedelta,
        repository: RepositoryName | None = None,
        dry_run: bool = False,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Purge the whole store, or one repository; a dry run deletes nothing."""
        self.report = PurgeReport()
        self._driver = driver
        self._older_than = older_than
        self._repository = repository
        self._dry_run = dry_run
        self._now = now

    async def run(self) -> PurgeReport:
        """Delete every old upload, and return the report. What fails does not stop the rest."""
        async for upload in self.find():
            await self.remove(upload)
        return self.report

    async def find(self) -> AsyncGenerator[PartialUpload, None]:
        """Yield the uploads that are old enough. What cannot be looked at is in the report."""
        async for upload in find_uploads(
            self._driver, self._repository, on_fault=self.report.failures.append
        ):
            if self._is_old(upload):
                yield upload

    async def remove(self, upload: PartialUpload) -> Removal:
        """Delete one upload that `find` gave, if that still holds, and enter it in the report.

        It is claimed first, so that no chunk that is being received is lost. A call that is
        cancelled may have deleted a part of it; what is left is found by the next purge.
        """
        if self._dry_run:
            self._count(upload.size)
            return "removed"
        try:
            if upload.upload_id is None:
                return await self._discard_leftover(upload)
            return await self._remove_upload(upload)
        except WriterBusy:
            self.report.busy += 1
            return "busy"
        except DriverError as error:
            self.report.failures.append(error)
            return "failed"

    async def _remove_upload(self, upload: PartialUpload) -> Removal:
        now = await look_at_upload(self._driver, upload.path, upload.unfinished)
        if now is None:
            return "gone"
        if not self._is_old(now):
            raise WriterBusy(upload.path)
        freed = await self._cancel_data(now)
        deleted = False
        # After the data: without it no client can go on, should this end midway.
        with suppress(PathNotFound):
            await self._driver.delete(now.path)
            deleted = True
        # What the delete of the directory did not take.
        discarded = await self._discard_all(now)
        if freed is None and discarded is None and not deleted:
            return "gone"
        # Of two purges at once each counts what it has deleted itself.
        self._count(max(freed or 0, discarded or 0))
        return "removed"

    async def _cancel_data(self, upload: PartialUpload) -> int | None:
        """Claim the data and delete it; return its size, or None if there is none.

        Raises:
            WriterBusy: somebody is writing it.
        """
        try:
            writer = await self._driver.open_appender(paths.data_of_upload(upload.path))
        except PathNotFound:
            return None
        async with writer:
            size = writer.size
            await writer.cancel()
        return size

    async def _discard_all(self, upload: PartialUpload) -> int | None:
        """Discard what the driver keeps beside files; return its size, or None if it is gone."""
        size = None
        for unfinished in upload.unfinished:
            with suppress(PathNotFound):
                await self._driver.discard(unfinished)
                size = (size or 0) + unfinished.size
        return size

    async def _discard_leftover(self, upload: PartialUpload) -> Removal:
        size = await self._discard_all(upload)
        if size is None:
            return "gone"
        self._count(size)
        return "removed"

    def _is_old(self, upload: PartialUpload) -> bool:
        return upload.started_at is not None and upload.started_at <= self._now() - self._older_than

    def _count(self, size: int) -> None:
        self.report.removed += 1
        self.report.freed_bytes += size
