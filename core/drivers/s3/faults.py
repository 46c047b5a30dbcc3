"""From what the library for S3 raises to driver errors, in one place."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import ClientError as ConnectionFault
from botocore.exceptions import BotoCoreError, ClientError

from core.errors import DriverError, DriverUnavailable, PathNotFound, StorageFull

__all__ = ["CONNECTION_FAULTS", "error_code", "is_outdated", "s3_faults", "was_outdated"]

_NOT_FOUND = frozenset({"NoSuchKey", "NoSuchUpload", "NotFound", "404"})
_FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "507"})
_OUTDATED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})

CONNECTION_FAULTS = (BotoCoreError, ConnectionFault, OSError, TimeoutError)
"""What is raised when no answer came, or only a part of one."""


def error_code(error: ClientError) -> str:
    """Return the code of a refusal, such as `SlowDown`."""
    return error.response.get("Error", {}).get("Code", "")


def is_outdated(error: ClientError) -> bool:
    """Say whether the object is not the one that the request made a condition."""
    return error_code(error) in _OUTDATED


def was_outdated(error: DriverError) -> bool:
    """Say the same of what `s3_faults` has made of the refusal."""
    return isinstance(error.__cause__, ClientError) and is_outdated(error.__cause__)


@contextmanager
def s3_faults(path: str) -> Iterator[None]:
    """Turn what the store or the network says into a `DriverError` for `path`.

    Its text has the code of the fault and never what was sent, so no credential is in it.
    """
    try:
        yield
    except DriverError:
        raise
    except ClientError as error:
        code = error_code(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _NOT_FOUND:
            raise PathNotFound(path) from error
        if code in _FULL:
            raise StorageFull(path) from error
        raise DriverUnavailable(path, f"{error.operation_name}: {code} ({status})") from error
    except CONNECTION_FAULTS as error:
        raise DriverUnavailable(path, type(error).__name__) from error
