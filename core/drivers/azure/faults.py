"""From what Azure answers to the errors that drivers raise: the one place."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import StorageErrorCode

from core.errors import DriverError, DriverUnavailable, PathNotFound, WriterBusy

__all__ = ["azure_faults", "error_code", "is_missing"]

_NOT_FOUND = 404

_LEASED_BY_ANOTHER = frozenset(
    {
        StorageErrorCode.LEASE_ALREADY_PRESENT,
        StorageErrorCode.LEASE_ID_MISMATCH_WITH_BLOB_OPERATION,
        StorageErrorCode.LEASE_ID_MISMATCH_WITH_LEASE_OPERATION,
        StorageErrorCode.LEASE_LOST,
    }
)

# A lease ends early only when the blob is deleted or moved: see `leases.without_lease`.
_LEASE_BROKEN = frozenset(
    {
        StorageErrorCode.LEASE_NOT_PRESENT_WITH_BLOB_OPERATION,
        StorageErrorCode.LEASE_NOT_PRESENT_WITH_LEASE_OPERATION,
        StorageErrorCode.LEASE_IS_BROKEN_AND_CANNOT_BE_RENEWED,
    }
)

# Here nothing can be found, and that is no news of a path.
_NO_CONTAINER = frozenset(
    {
        StorageErrorCode.CONTAINER_NOT_FOUND,
        StorageErrorCode.CONTAINER_BEING_DELETED,
        StorageErrorCode.CONTAINER_DISABLED,
    }
)


@contextmanager
def azure_faults(path: str) -> Iterator[None]:
    """Turn what the library raises into a DriverError about `path`."""
    try:
        yield
    except HttpResponseError as error:
        raise _driver_error(path, error) from error
    except AzureError as error:
        raise DriverUnavailable(path, f"{type(error).__name__}: {error}") from error


def error_code(error: HttpResponseError) -> str:
    """Return Azure's name of the fault, such as `BlobNotFound`; empty if there is none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def is_missing(error: HttpResponseError) -> bool:
    """Return whether the fault is that there is no such blob, in a container that there is."""
    return error.status_code == _NOT_FOUND and error_code(error) not in _NO_CONTAINER


def _driver_error(path: str, error: HttpResponseError) -> DriverError:
    code = error_code(error)
    if code in _LEASED_BY_ANOTHER:
        return WriterBusy(path)
    if code in _LEASE_BROKEN or is_missing(error):
        return PathNotFound(path)
    return DriverUnavailable(path, f"azure answered {error.status_code} {code or error.reason}")
