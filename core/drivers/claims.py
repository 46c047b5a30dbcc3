"""Claims of paths in a store without locks: a small object that only one can create.

Whoever creates it holds the path, and shows every few seconds that it lives by writing it anew.
One that has not been written for `LIFETIME_SECONDS` belonged to a process that has died, and is
taken over. Ages are differences of two times that the store itself has told, so that the clocks
of nodes do not matter.

What is claimed must not depend on the claim alone: a holder that was cut off may go on until its
next sign of life fails.

A claim whose request had no answer may be there without a holder, and so may one that the store
did not delete. The process remembers these, so that a client that it told to come back need not
wait for their end.
"""

import uuid
from dataclasses import dataclass
from typing import Protocol, Self

import structlog
from anyio import CancelScope, Event, move_on_after

from core.drivers.owned_tasks import OwnedTasks
from core.errors import DriverError, WriterBusy

__all__ = ["LIFETIME_SECONDS", "Claim", "ClaimStore", "FoundClaim", "LeftClaims"]

LIFETIME_SECONDS = 30
"""Without a sign of life for so long, a claim ends."""

_RENEWAL_SECONDS = 10
_MAX_LEFT = 10_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundClaim:
    """A claim as the store has it.

    Attributes:
        version: changes with every write, and is never used again.
        age_seconds: since it was last written, by the clock of the store.
    """

    version: str
    age_seconds: float


class LeftClaims:
    """The claims that this process may have left in the store, none of which anyone holds."""

    def __init__(self) -> None:
        self._owners: dict[str, bytes] = {}

    def leave(self, path: str, owner: bytes) -> None:
        """Remember that `path` may be claimed by `owner`; of very many, the last ones."""
        self._owners.pop(path, None)
        self._owners[path] = owner
        if len(self._owners) > _MAX_LEFT:
            del self._owners[next(iter(self._owners))]

    def take(self, path: str) -> bytes | None:
        """Return who may have claimed `path`, and forget it; None if nothing was left there."""
        return self._owners.pop(path, None)


class ClaimStore(Protocol):
    """What a driver gives for its claims. All of it is atomic; faults are DriverErrors.

    Attributes:
        left: what `Claim` remembers, for as long as the driver is open.
    """

    left: LeftClaims

    async def create_claim(self, path: str, owner: bytes) -> str | None:
        """Create the claim of `path`, and return its version, or None if another has one.

        One that `owner` has created already, unknowingly, is as good as a new one.
        """

    async def replace_claim(self, path: str, owner: bytes, version: str) -> str | None:
        """Write the claim anew, and return its new version, or None if `version` is outdated."""

    async def find_claim(self, path: str) -> FoundClaim | None:
        """Return the claim of `path`, or None if there is none."""

    async def delete_claim(self, path: str, version: str) -> None:
        """Delete the claim, unless it is of another version or gone."""


class Claim:
    """A path held until `release`, or until it is found to be lost."""

    def __init__(self, store: ClaimStore, path: str, owner: bytes, version: str) -> None:
        self._store = store
        self._path = path
        self._owner = owner
        self._version = version
        self._lost = False
        self._deleted = False
        self._in_doubt = False
        self._released = Event()
        self._tasks = OwnedTasks(1)

    @classmethod
    async def acquire(cls, store: ClaimStore, path: str) -> Self:
        """Claim `path`. A call that is cancelled has claimed nothing.

        Raises:
            WriterBusy: someone else holds it, or was faster.
            DriverError: the store did not answer.
        """
        left = store.left.take(path)
        owner = left or str(uuid.uuid4()).encode("ascii")
        with CancelScope(shield=True):
            try:
                version = await _take(store, path, owner, is_left=left is not None)
            except WriterBusy:
                raise
            except DriverError:
                store.left.leave(path, owner)
                raise
            claim = cls(store, path, owner, version)
            await claim._tasks.start(claim._keep())
        return claim

    def check(self) -> None:
        """Return if the path was still held at the last sign of life.

        Raises:
            WriterBusy: someone else holds it now.
        """
        if self._lost:
            raise WriterBusy(self._path)

    async def release(self) -> None:
        """Let go of the path. A claim that the store did not delete ends by itself.

        Whoever claims the path in this process need not wait for that.
        """
        with CancelScope(shield=True):
            # A renewal that is on its way ends first: were it cut off, it would not be known which
            # version the store has, and the claim would stay.
            self._released.set()
            await self._tasks.join()
            if self._lost or self._deleted:
                return
            try:
                await self._store.delete_claim(self._path, self._version)
            except DriverError as error:
                _log.warning("claim was not deleted", path=self._path, reason=str(error))
                self._in_doubt = True
            if self._in_doubt:
                self._store.left.leave(self._path, self._owner)

    def forget(self) -> None:
        """Take note that the claim is deleted, with all that was at its path: it needs no release.

        No renewal makes it anew, as each has to find the version before.
        """
        self._deleted = True
        self._released.set()

    async def _keep(self) -> None:
        while not self._lost:
            with move_on_after(_RENEWAL_SECONDS):
                await self._released.wait()
                return
            try:
                version = await self._store.replace_claim(self._path, self._owner, self._version)
            except DriverError as error:
                _log.warning("claim was not renewed", path=self._path, reason=str(error))
                self._in_doubt = True
                continue
            self._in_doubt = False
            if version is None:
                _log.warning("claim was lost", path=self._path)
                self._lost = True
            else:
                self._version = version


async def _take(store: ClaimStore, path: str, owner: bytes, *, is_left: bool) -> str:
    """Claim `path` for `owner`, who may have left a claim there, and return its version."""
    version = await store.create_claim(path, owner)
    if version is not None and is_left:
        # It may be so old that another would take it over.
        version = await store.replace_claim(path, owner, version)
    elif version is None:
        found = await store.find_claim(path)
        if found is not None and found.age_seconds < LIFETIME_SECONDS:
            raise WriterBusy(path)
        if found is None:
            version = await store.create_claim(path, owner)
        else:
            _log.warning("claim of a dead writer is taken over", path=path)
            version = await store.replace_claim(path, owner, found.version)
    if version is None:
        raise WriterBusy(path)
    return version
