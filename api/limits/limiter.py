"""`Limiter`: who may go on, and who has to wait."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from api.settings.limits import LimitsSettings

__all__ = ["EPSILON_SECONDS", "Limiter", "Rates", "Ticket"]

EPSILON_SECONDS = 1e-6
"""What sums of seconds may be wrong by, so that nobody waits a second for a rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A request that was let in, and that has to leave.

    Attributes:
        subject: whose it is.
        upload: an id of its own where it is counted as an upload, else None.
    """

    subject: str
    upload: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Limits as token buckets, in time: a bucket is told by when it will be full again.

    A bucket of `n` tokens that is filled within `period` gets one token in `period / n`; taking
    one moves the time at which it is full by as much. Then it is empty if it will be full a
    period from now, and in debt if that is further away.

    Attributes:
        request_seconds: what one request takes; 0 for no limit.
        request_period_seconds: what the bucket of requests holds.
        byte_seconds: what one byte takes; 0 for no limit.
        byte_period_seconds: what the bucket of bytes holds.
        concurrent_uploads: how many may be under way; 0 for no limit.
    """

    request_seconds: float
    request_period_seconds: float
    byte_seconds: float
    byte_period_seconds: float
    concurrent_uploads: int

    @classmethod
    def of(cls, settings: LimitsSettings) -> "Rates":
        """Return what the settings say."""
        requests, content = settings.requests, settings.transferred_bytes
        return cls(
            request_seconds=settings.requests_period_seconds / requests if requests else 0,
            request_period_seconds=settings.requests_period_seconds,
            byte_seconds=settings.transferred_period_seconds / content if content else 0,
            byte_period_seconds=settings.transferred_period_seconds,
            concurrent_uploads=settings.concurrent_uploads,
        )


class Limiter(ABC):
    """Counts what subjects do, in buckets that fill up as time goes by.

    Every request that was let in has to leave, however it ends. One that was refused costs
    nothing, so that a client that comes too early waits no longer for it.
    """

    @abstractmethod
    async def enter(self, subject: str, *, is_upload: bool) -> Ticket:
        """Let a request in, and count it.

        Args:
            subject: a text such as `user:ann` or `address:192.0.2.1`.
            is_upload: whether it brings content for a blob.

        Raises:
            TooManyRequests: the subject has to wait.
        """

    @abstractmethod
    async def leave(self, ticket: Ticket, transferred_bytes: int) -> None:
        """Take note that a request is over, and how much its bodies were, in both directions.

        That is done even where the task of the request is cancelled.
        """

    async def run(self) -> None:  # noqa: B027 - most have nothing to do
        """Do what has to be done from time to time, until it is cancelled."""

    async def aclose(self) -> None:  # noqa: B027 - most have none
        """Let go of connections."""
