"""Claims of paths by leases of Azure: one holder, and an end when it shows no sign of life.

Azure takes no write of a leased blob without the lease's id, so a holder that was cut off for
too long is refused at its next write, by the service itself.
"""

import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Self, TypeVar

import structlog
from anyio import CancelScope, sleep
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import StorageErrorCode
from azure.storage.blob.aio import BlobClient, BlobLeaseClient

from core.drivers.azure.faults import azure_faults, error_code
from core.drivers.claims import LeftClaims
from core.drivers.owned_tasks import OwnedTasks
from core.errors import DriverError, PathNotFound, WriterBusy

__all__ = ["LIFETIME_SECONDS", "Lease", "without_lease"]

LIFETIME_SECONDS = 30
"""Without a sign of life for so long, a lease ends."""

_RENEWAL_SECONDS = 10
_BREAKS = 5

_log = structlog.get_logger()

T = TypeVar("T")


class Lease:
    """A blob held until `release`, or until it is deleted.

    Attributes:
        id: what every write of the blob has to show.
    """

    def __init__(self, path: str, client: BlobLeaseClient, left: LeftClaims) -> None:
        self.id = client.id
        self._path = path
        self._client = client
        self._left = left
        self._tasks = OwnedTasks(1)

    @classmethod
    async def acquire(
        cls, path: str, blob: BlobClient, left: LeftClaims, etag: str | None = None
    ) -> Self:
        """Lease a blob; with `etag`, only as it was then.

        A lease that this process may have left, as an answer of Azure was lost, is taken up again.

        Raises:
            AzureError: there was no answer, and whether the blob is leased is not known.
            HttpResponseError: it is leased, or missing, or was written since.
        """
        # With an id of our own, a second try of a request whose answer was lost succeeds.
        owner = left.take(path) or str(uuid.uuid4()).encode("ascii")
        client = BlobLeaseClient(blob, lease_id=owner.decode("ascii"))
        # The library takes no condition of None.
        condition: dict[str, Any] = {}
        if etag is not None:
            condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        try:
            await client.acquire(lease_duration=LIFETIME_SECONDS, **condition)
        except AzureError as error:
            if not isinstance(error, HttpResponseError) or _is_undecided(error):
                left.leave(path, owner)
            raise
        lease = cls(path, client, left)
        await lease._tasks.start(lease._keep())
        return lease

    async def release(self) -> None:
        """Let go of the blob. A lease that Azure did not release ends by itself.

        Raises:
            PathNotFound: the blob was deleted or moved.
            WriterBusy: the lease had ended, and someone else has it now.
        """
        with CancelScope(shield=True):
            await self._tasks.aclose()
            try:
                with azure_faults(self._path):
                    await self._client.release()
            except (PathNotFound, WriterBusy):
                raise
            except DriverError as error:
                _log.warning("lease was not released", path=self._path, reason=str(error))
                self._left.leave(self._path, self.id.encode("ascii"))

    async def abandon(self) -> None:
        """Show no more signs of life: the blob is gone, and the lease with it."""
        await self._tasks.aclose()

    async def _keep(self) -> None:
        while True:
            await sleep(_RENEWAL_SECONDS)
            try:
                await self._client.renew()
            except AzureError as error:
                # If it is lost, the next write will say so.
                _log.warning("lease was not renewed", path=self._path, reason=str(error))


def _is_undecided(error: HttpResponseError) -> bool:
    """Say whether an earlier try of the same request may have succeeded."""
    status = error.status_code
    return status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR


async def without_lease(blob: BlobClient, call: Callable[[], Awaitable[T]]) -> T:
    """Return what `call` does, after breaking the blob's lease if that is in its way.

    Whoever deletes or replaces what an appender holds may do so; the appender will notice.
    """
    for _ in range(_BREAKS):
        try:
            return await call()
        except HttpResponseError as error:
            if error_code(error) != StorageErrorCode.LEASE_ID_MISSING:
                raise
        try:
            await BlobLeaseClient(blob).break_lease(lease_break_period=0)
        except HttpResponseError as error:
            # It has ended, or the blob is gone.
            if error.status_code not in {404, 409}:
                raise
    return await call()
