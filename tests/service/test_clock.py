"""The deadline of a connection: kept in time, and without a timer for each request."""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import cast

from api.serving.clock import Clock

__all__: list[str] = []


class _Timer:
    def __init__(self, at: float, call: Callable[[], object]) -> None:
        self.at = at
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class _Loop:
    """An event loop whose time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.begun: list[_Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], object]) -> _Timer:
        self.begun.append(_Timer(self.now + seconds, call))
        return self.begun[-1]

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        done = 0
        while done < len(self.begun):
            due = [timer for timer in self.begun if timer.at <= end and not timer.is_cancelled]
            if not due:
                break
            first = min(due, key=lambda timer: timer.at)
            self.now, first.is_cancelled = max(self.now, first.at), True
            first.call()
        self.now = end


def _make() -> tuple[_Loop, Clock, list[float]]:
    loop = _Loop()
    return loop, Clock(cast("AbstractEventLoop", loop)), []


def test_a_clock_that_is_set_for_each_request_begins_no_timer_for_each() -> None:
    loop, clock, rung = _make()
    for _ in range(1000):
        clock.set(75, lambda: rung.append(loop.now))
        loop.pass_time(0.001)
        clock.stop()
    assert len(loop.begun) == 1
    assert not clock.is_set
    loop.pass_time(1000)
    assert rung == []


def test_a_deadline_is_kept_whatever_was_set_before() -> None:
    for earlier in (1.0, 5.0, 200.0):
        for passed in (0.0, 0.5, 3.0):
            loop, clock, rung = _make()
            clock.set(earlier, lambda: rung.append(-1.0))  # noqa: B023 - it is called at once
            clock.stop()
            loop.pass_time(passed)
            clock.set(10, lambda: rung.append(loop.now))  # noqa: B023
            loop.pass_time(9.9)
            assert rung == []
            loop.pass_time(0.2)
            assert [round(at, 2) for at in rung] == [110 + passed]
            assert not clock.is_set
            loop.pass_time(1000)
            assert len(rung) == 1


def test_what_is_set_when_a_deadline_has_passed_is_kept_too() -> None:
    loop, clock, rung = _make()
    clock.set(1, lambda: clock.set(2, lambda: rung.append(loop.now)))
    loop.pass_time(10)
    assert rung == [103]


def test_a_clock_that_is_closed_has_no_timer_left() -> None:
    loop, clock, rung = _make()
    clock.set(1, lambda: rung.append(loop.now))
    clock.close()
    assert all(timer.is_cancelled for timer in loop.begun)
    loop.pass_time(10)
    assert rung == []
