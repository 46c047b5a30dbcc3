"""Limits that one process counts by itself."""

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from api.limits.limiter import EPSILON_SECONDS, Limiter, Rates, Ticket
from core.errors import TooManyRequests

__all__ = ["MemoryLimiter"]

_UPLOAD = "counted"


class _Account:
    """When the buckets of a subject will be full."""

    __slots__ = ("bytes_full_at", "requests_full_at")

    def __init__(self) -> None:
        self.requests_full_at = 0.0
        self.bytes_full_at = 0.0


class MemoryLimiter(Limiter):
    """Counts for the subjects that it has seen last.

    A subject that is forgotten begins anew, which takes as many others in the meantime as are
    remembered. Uploads under way are never forgotten. Not for threads.
    """

    def __init__(
        self, rates: Rates, *, max_subjects: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nobody known."""
        self._rates = rates
        self._max_subjects = max_subjects
        self._clock = clock
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._uploads: Counter[str] = Counter()

    async def enter(self, subject: str, *, is_upload: bool) -> Ticket:
        """Let a request in, as `Limiter` says."""
        rates, now = self._rates, self._clock()
        account = self._find_account(subject)
        excess = account.bytes_full_at - now - rates.byte_period_seconds
        requests_full_at = max(account.requests_full_at, now) + rates.request_seconds
        if rates.request_seconds:
            excess = max(excess, requests_full_at - now - rates.request_period_seconds)
        if excess > EPSILON_SECONDS:
            raise TooManyRequests(retry_after_seconds=math.ceil(excess - EPSILON_SECONDS))
        if is_upload and rates.concurrent_uploads:
            if self._uploads[subject] >= rates.concurrent_uploads:
                # Nobody knows when one of them will be over.
                raise TooManyRequests(retry_after_seconds=1)
            self._uploads[subject] += 1
        else:
            is_upload = False
        account.requests_full_at = requests_full_at
        return Ticket(subject=subject, upload=_UPLOAD if is_upload else None)

    async def leave(self, ticket: Ticket, transferred_bytes: int) -> None:
        """Take note of the end of a request."""
        if ticket.upload is not None:
            self._uploads[ticket.subject] -= 1
            if not self._uploads[ticket.subject]:
                del self._uploads[ticket.subject]
        if self._rates.byte_seconds and transferred_bytes:
            account = self._find_account(ticket.subject)
            full_at = max(account.bytes_full_at, self._clock())
            account.bytes_full_at = full_at + transferred_bytes * self._rates.byte_seconds

    def _find_account(self, subject: str) -> _Account:
        account = self._accounts.get(subject)
        if account is not None:
            self._accounts.move_to_end(subject)
            return account
        if len(self._accounts) >= self._max_subjects:
            self._accounts.popitem(last=False)
        account = self._accounts[subject] = _Account()
        return account
