"""`Circuit`: when to ask a service that may be out of order, and when to leave it alone."""

import time
from collections.abc import Callable
from typing import Literal

__all__ = ["Admission", "Circuit"]

Admission = Literal["usual", "trial"]


class Circuit:
    """Opens at the first failure; then a single call in each pause tries whether all is well.

    Only that trial closes it again: a call that began before the failure and comes back late says
    nothing of the present. Not for threads.
    """

    def __init__(
        self, pause_seconds: float = 5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin closed, which is to say in working order."""
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._trial_at: float | None = None

    def admit(self) -> Admission | None:
        """Say as what a call may be made now, or None if it is to be left."""
        if self._trial_at is None:
            return "usual"
        now = self._clock()
        if now < self._trial_at:
            return None
        self._trial_at = now + self._pause_seconds
        return "trial"

    def fail(self) -> bool:
        """Take note of a call that failed; say whether the outage begins with it."""
        begins = self._trial_at is None
        self._trial_at = self._clock() + self._pause_seconds
        return begins

    def succeed(self, admission: Admission) -> bool:
        """Take note of a call that went well; say whether the outage ends with it."""
        if admission != "trial" or self._trial_at is None:
            return False
        self._trial_at = None
        return True
