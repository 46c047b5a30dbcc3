"""What a store or the network says when it does not do what it is asked, as driver errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree.ElementTree import ParseError

from botocore.exceptions import BotoCoreError

from core.errors import DriverError, DriverUnavailable, PathNotFound, StorageFull

__all__ = ["CONNECTION_FAULTS", "PASSING_CODES", "S3Refusal", "s3_faults", "was_outdated"]

_NOT_FOUND = frozenset({"NoSuchKey", "NoSuchUpload", "NotFound", "404"})
_FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "507"})
_OUTDATED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
PASSING_CODES = frozenset(
    {
        "InternalError",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    }
)
"""By which a store asks for patience, also for single objects of a request for many."""

_PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})

CONNECTION_FAULTS = (BotoCoreError, OSError, TimeoutError, ParseError)
"""What is raised when no answer came, or one that cannot be read, or no credentials were found."""


class S3Refusal(Exception):
    """The store has answered, and has not done what it was asked.

    Attributes:
        operation: such as `PutObject`.
        status: of the answer.
        code: such as `SlowDown`; the status where an answer has none, as those to HEAD.
    """

    def __init__(self, operation: str, status: int, code: str = "") -> None:
        self.operation = operation
        self.status = status
        self.code = code or str(status)
        super().__init__(f"{operation}: {self.code} ({status})")

    @property
    def is_passing(self) -> bool:
        """Whether the same request may well succeed a little later."""
        return self.status in _PASSING_STATUSES or self.code in PASSING_CODES

    @property
    def is_missing(self) -> bool:
        """Whether the object or the upload is not there."""
        return self.code in _NOT_FOUND

    @property
    def is_outdated(self) -> bool:
        """Whether the object is not the one that the request made a condition."""
        return self.code in _OUTDATED


def was_outdated(error: DriverError) -> bool:
    """Say whether `s3_faults` has made this of a refusal for an outdated condition."""
    return isinstance(error.__cause__, S3Refusal) and error.__cause__.is_outdated


@contextmanager
def s3_faults(path: str) -> Iterator[None]:
    """Turn what the store or the network says into a `DriverError` for `path`.

    Its text has the code of the fault and never what was sent, so no credential is in it.
    """
    try:
        yield
    except S3Refusal as refusal:
        if refusal.is_missing:
            raise PathNotFound(path) from refusal
        if refusal.code in _FULL:
            raise StorageFull(path) from refusal
        raise DriverUnavailable(path, str(refusal)) from refusal
    except CONNECTION_FAULTS as error:
        raise DriverUnavailable(path, type(error).__name__) from error
