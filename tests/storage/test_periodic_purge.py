"""The purge that all processes of a store do together: once in each interval."""

from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

import pytest
from anyio import CancelScope, Event, create_task_group
from anyio.lowlevel import checkpoint
from structlog.testing import capture_logs
from structlog.typing import EventDict

from core.drivers import CheckedDriver, StorageDriver
from core.errors import DriverUnavailable
from core.storage import Repository
from core.storage.purging import PeriodicPurge
from tests.faulty import Call, FaultyDriver, failing
from tests.storage.pushing import ROOT, all_files, stream

__all__: list[str] = []

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
CLAIM = f"{ROOT}/_moorage/purge/claim"
LAST_RUN = f"{ROOT}/_moorage/purge/last-run"
START = datetime(2030, 1, 1, tzinfo=UTC)


class Clock:
    """Time that stands still while anyone works, and goes on to the next one's waking.

    Attributes:
        over: set once nobody wakes before the end.
    """

    def __init__(self, *, end: timedelta = DAY, processes: int = 1) -> None:
        self.time = START
        self.waits: list[float] = []
        self.over = Event()
        self._end = START + end
        self._processes = processes
        self._sleepers: list[tuple[datetime, int, Event]] = []

    def now(self) -> datetime:
        return self.time

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        woken = Event()
        heappush(self._sleepers, (self.time + timedelta(seconds=seconds), len(self.waits), woken))
        if len(self._sleepers) == self._processes:
            self._go_on()
        await woken.wait()

    def _go_on(self) -> None:
        if self._sleepers[0][0] > self._end:
            self.over.set()
            return
        self.time, _, woken = heappop(self._sleepers)
        woken.set()


def periodic(
    driver: StorageDriver,
    clock: Clock,
    *,
    older_than: timedelta = WEEK,
    dry_run: bool = False,
    draw: float = 0.5,
) -> PeriodicPurge:
    return PeriodicPurge(
        driver,
        older_than=older_than,
        interval=DAY,
        dry_run=dry_run,
        now=clock.now,
        wait=clock.wait,
        draw=lambda: draw,
    )


async def run_to_the_end(clock: Clock, *purges: PeriodicPurge) -> list[EventDict]:
    """Run all of them for the time that the clock has, and return what was logged."""
    with capture_logs() as logs:
        async with create_task_group() as tasks:
            for purge in purges:
                tasks.start_soon(purge.run)
            await clock.over.wait()
            tasks.cancel_scope.cancel()
    return logs


def purges_in(logs: list[EventDict]) -> list[EventDict]:
    return [line for line in logs if line["event"] == "uploads purged"]


async def begin(repository: Repository) -> str:
    async with await repository.layers.upload() as upload:
        await upload.read_from(stream(b"half a layer"))
        return upload.upload_id


async def test_a_purge_is_done_and_logged_and_its_time_written_down(
    driver: StorageDriver, repository: Repository
) -> None:
    await begin(repository)
    clock = Clock()
    with capture_logs() as logs:
        due_seconds = await periodic(driver, clock).run_once()
    (line,) = purges_in(logs)
    assert line["log_level"] == "info"
    assert {name: line[name] for name in ("removed", "freed_bytes", "busy", "failures")} == {
        "removed": 1,
        "freed_bytes": 12,
        "busy": 0,
        "failures": 0,
    }
    assert due_seconds == DAY.total_seconds()
    assert await all_files(driver) == {LAST_RUN: b"2030-01-01T00:00:00+00:00"}


async def test_the_first_look_is_after_a_random_part_of_an_hour_at_most(
    driver: StorageDriver,
) -> None:
    clock = Clock(end=timedelta(0))
    await run_to_the_end(clock, periodic(driver, clock, draw=0.25))
    assert clock.waits == [900]


async def test_one_process_purges_once_in_each_interval(driver: StorageDriver) -> None:
    clock = Clock(end=timedelta(days=3.5))
    logs = await run_to_the_end(clock, periodic(driver, clock))
    assert len(purges_in(logs)) == 4


async def test_many_processes_purge_once_in_each_interval(driver: StorageDriver) -> None:
    clock = Clock(end=timedelta(days=3.5), processes=8)
    purges = [periodic(driver, clock, draw=number / 8) for number in range(8)]
    logs = await run_to_the_end(clock, *purges)
    assert len(purges_in(logs)) == 4


async def test_a_process_that_starts_later_waits_for_what_is_left_of_the_interval(
    driver: StorageDriver,
) -> None:
    clock = Clock()
    await periodic(driver, clock).run_once()
    clock.time += timedelta(hours=5)
    with capture_logs() as logs:
        due_seconds = await periodic(driver, clock).run_once()
    assert due_seconds == timedelta(hours=19).total_seconds()
    assert logs == []


async def test_who_finds_another_at_it_asks_again_later(driver: StorageDriver) -> None:
    clock = Clock()
    async with await driver.open_appender(CLAIM, create=True) as claim:
        with capture_logs() as logs:
            due_seconds = await periodic(driver, clock).run_once()
        await claim.cancel()
    assert 0 < due_seconds < DAY.total_seconds()
    assert logs == []
    assert await all_files(driver) == {}


async def test_who_gets_the_claim_when_the_work_is_done_does_none(driver: StorageDriver) -> None:
    clock = Clock()

    async def be_overtaken(call: Call) -> None:
        if call.method == "open_appender" and call.moment == "before":
            await driver.put(LAST_RUN, clock.now().isoformat().encode())

    with capture_logs() as logs:
        due_seconds = await periodic(FaultyDriver(driver, be_overtaken), clock).run_once()
    assert due_seconds == DAY.total_seconds()
    assert logs == []
    assert list(await all_files(driver)) == [LAST_RUN]


async def test_a_claim_that_a_dead_process_left_is_taken(driver: StorageDriver) -> None:
    async with await driver.open_appender(CLAIM, create=True):
        pass
    with capture_logs() as logs:
        await periodic(driver, Clock()).run_once()
    assert len(purges_in(logs)) == 1
    assert list(await all_files(driver)) == [LAST_RUN]


@pytest.mark.parametrize(
    "content", [b"", b"yesterday", b"\xff", b"2030-01-01T00:00:00", b"2099-01-01T00:00:00+00:00"]
)
async def test_a_time_that_cannot_be_is_as_none(driver: StorageDriver, content: bytes) -> None:
    await driver.put(LAST_RUN, content)
    with capture_logs() as logs:
        await periodic(driver, Clock()).run_once()
    assert len(purges_in(logs)) == 1


async def test_a_clock_that_is_a_little_behind_does_not_purge_again(driver: StorageDriver) -> None:
    await driver.put(LAST_RUN, (START + timedelta(minutes=5)).isoformat().encode())
    with capture_logs() as logs:
        due_seconds = await periodic(driver, Clock()).run_once()
    assert due_seconds == (DAY + timedelta(minutes=5)).total_seconds()
    assert logs == []


async def test_a_dry_run_deletes_nothing_and_says_so(
    driver: StorageDriver, repository: Repository
) -> None:
    upload_id = await begin(repository)
    with capture_logs() as logs:
        await periodic(driver, Clock(), dry_run=True).run_once()
    (line,) = purges_in(logs)
    assert (line["removed"], line["dry_run"]) == (1, True)
    assert (await repository.layers.resume(upload_id)).offset == 12


async def test_each_failure_is_logged_and_the_purge_counts_as_done(
    driver: StorageDriver, repository: Repository
) -> None:
    upload_id = await begin(repository)
    await begin(repository)

    async def fail(call: Call) -> None:
        if call.method == "delete" and upload_id in call.path and call.moment == "before":
            raise DriverUnavailable(call.path, "told to fail")

    with capture_logs() as logs:
        await periodic(CheckedDriver(FaultyDriver(driver, fail)), Clock()).run_once()
    (failure,) = [line for line in logs if line["event"] == "upload was not purged"]
    assert failure["log_level"] == "warning"
    assert failure["path"].endswith(upload_id)
    assert "told to fail" in failure["reason"]
    (line,) = purges_in(logs)
    assert (line["removed"], line["failures"]) == (1, 1)
    assert await driver.get(LAST_RUN)


@pytest.mark.parametrize("fault", [DriverUnavailable("/x", "told to fail"), RuntimeError("a bug")])
async def test_whatever_fails_it_is_logged_and_tried_again(
    driver: StorageDriver, fault: Exception
) -> None:
    clock = Clock()
    times = 0

    async def fail_twice(call: Call) -> None:
        nonlocal times
        if call.method == "get" and call.path == LAST_RUN and times < 2:
            times += 1
            raise fault

    logs = await run_to_the_end(clock, periodic(FaultyDriver(driver, fail_twice), clock))
    failures = [line for line in logs if line["event"] == "uploads were not purged"]
    assert len(failures) == 2
    assert type(fault).__name__ in failures[0]["reason"]
    assert len(purges_in(logs)) == 1


async def test_a_claim_that_cannot_be_released_is_logged(driver: StorageDriver) -> None:
    broken = CheckedDriver(FaultyDriver(driver, failing("writer.cancel", "claim")))
    with capture_logs() as logs:
        assert await periodic(broken, Clock()).run_once() == DAY.total_seconds()
    assert "claim of the purge was not released" in [line["event"] for line in logs]


async def test_a_purge_that_is_cancelled_lets_go_of_its_claim(
    driver: StorageDriver, repository: Repository
) -> None:
    await begin(repository)
    with CancelScope() as scope:

        async def cancel(call: Call) -> None:
            if call.method == "list_unfinished":
                scope.cancel()
            await checkpoint()

        await periodic(FaultyDriver(driver, cancel), Clock()).run_once()
    assert scope.cancelled_caught
    assert not {CLAIM, LAST_RUN} & (await all_files(driver)).keys()
    with capture_logs() as logs:
        await periodic(driver, Clock()).run_once()
    assert [line["removed"] for line in purges_in(logs)] == [1]
