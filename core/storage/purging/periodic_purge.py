"""`PeriodicPurge`: one purge of partial uploads in each interval, by whichever process is first."""

import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Never

import structlog
from anyio import move_on_after, sleep

from core.drivers import FileWriter, StorageDriver
from core.errors import DriverError, PathNotFound, WriterBusy
from core.storage import paths
from core.storage.purging.upload_purge import PurgeReport, UploadPurge, utc_now

__all__ = ["PeriodicPurge"]

_RETRY_FRACTION = 0.1
"""Of an interval, that is waited after another process was found at it, or the store failed."""

_JITTER_FRACTION = 0.01
"""Of an interval, within which the processes that wait for one moment come one by one."""

_FIRST_WAIT_SECONDS = 3600
"""At most, before the first look: processes that are started more often purge all the same."""

_RELEASE_SECONDS = 10

_log = structlog.get_logger()


class PeriodicPurge:
    """Purges a store again and again, together with every other process that serves it.

    The processes agree through the store alone: whoever claims a path there does the work, and
    writes down when it was done. Should two work at once all the same, they do no harm.
    """

    def __init__(
        self,
        driver: StorageDriver,
        *,
        older_than: timedelta,
        interval: timedelta,
        dry_run: bool = False,
        now: Callable[[], datetime] = utc_now,
        wait: Callable[[float], Awaitable[object]] = sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing happens before `run`.

        Args:
            driver: the store.
            older_than: the age at which an upload is deleted.
            interval: between the end of one purge and the next.
            dry_run: whether it is only logged what would be deleted.
            now: the clock.
            wait: sleeps for a number of seconds.
            draw: gives a number from 0 to 1, so that processes do not act in step.
        """
        self._driver = driver
        self._older_than = older_than
        self._interval = interval
        self._dry_run = dry_run
        self._now = now
        self._wait = wait
        self._draw = draw

    async def run(self) -> Never:
        """Purge until cancelled, the first time after a random part of the interval, or of an hour.

        Nothing that the store does ends it: faults are logged, and it tries again.
        """
        seconds = self._interval.total_seconds()
        await self._wait(min(seconds, _FIRST_WAIT_SECONDS) * self._draw())
        while True:
            try:
                due_seconds = await self.run_once()
            except Exception as error:  # noqa: BLE001 - the service goes on without a purge
                _log.error("uploads were not purged", reason=f"{type(error).__name__}: {error}")
                due_seconds = seconds * _RETRY_FRACTION
            await self._wait(due_seconds + seconds * _JITTER_FRACTION * self._draw())

    async def run_once(self) -> float:
        """Purge if it is due and nobody else is at it, and return in how many seconds to ask again.

        Raises:
            DriverError: the store did not answer.
        """
        due_seconds = await self._due_seconds()
        if due_seconds > 0:
            return due_seconds
        claim = await self._claim()
        if claim is None:
            return self._interval.total_seconds() * _RETRY_FRACTION
        try:
            # Someone else may have ended a purge between the look and the claim.
            due_seconds = await self._due_seconds()
            if due_seconds <= 0:
                await self._purge()
                due_seconds = await self._due_seconds()
        finally:
            with move_on_after(_RELEASE_SECONDS, shield=True):
                await self._release(claim)
        return due_seconds

    async def _purge(self) -> None:
        started = time.monotonic()
        purge = UploadPurge(
            self._driver, older_than=self._older_than, dry_run=self._dry_run, now=self._now
        )
        report = await purge.run()
        self._tell(report, time.monotonic() - started)
        await self._driver.put(paths.PURGE_LAST_RUN, self._now().isoformat().encode("ascii"))

    def _tell(self, report: PurgeReport, seconds: float) -> None:
        for failure in report.failures:
            _log.warning("upload was not purged", path=failure.path, reason=str(failure))
        _log.info(
            "uploads purged",
            removed=report.removed,
            freed_bytes=report.freed_bytes,
            busy=report.busy,
            failures=len(report.failures),
            seconds=round(seconds, 3),
            dry_run=self._dry_run,
        )

    async def _due_seconds(self) -> float:
        """Return in how many seconds a purge is due; 0 if it is."""
        try:
            content = await self._driver.get(paths.PURGE_LAST_RUN)
            since = self._now() - datetime.fromisoformat(content.decode("ascii"))
        except (PathNotFound, ValueError, TypeError):
            # There was none, or what was written down of it is no time, or one without a zone.
            return 0
        # A node whose clock was wrong must not put the purge off for ever.
        if since < -self._interval:
            return 0
        return max(0.0, (self._interval - since).total_seconds())

    async def _claim(self) -> FileWriter | None:
        # One who lets go deletes the path, which may fail another just as the path is opened.
        with suppress(WriterBusy, PathNotFound):
            return await self._driver.open_appender(paths.PURGE_CLAIM, create=True)
        return None

    async def _release(self, claim: FileWriter) -> None:
        try:
            await claim.cancel()
        except DriverError as error:
            _log.warning("claim of the purge was not released", reason=str(error))
