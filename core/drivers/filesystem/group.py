"""Several commits to a local file system at once, which share their syncs.

All of this blocks, and is called from threads.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from core.drivers.filesystem.calls import driver_faults
from core.drivers.filesystem.directories import PendingSyncs, sync_together
from core.drivers.filesystem.syncs import BatchSyncs

__all__ = ["GroupMember", "run_group"]


class GroupMember(Protocol):
    """One commit, in steps. The fault of one ends it, and no other."""

    path: str
    """What a fault of the directories' syncs is named by."""

    @property
    def pending(self) -> PendingSyncs | None:
        """The directories that it has changed, if any."""

    def prepare(self) -> None:
        """Write contents where nobody takes them for whole."""

    def unsynced(self) -> list[int]:
        """Return descriptors of what was written and has to be synced."""

    def settle(self, faults: Sequence[OSError | None]) -> None:
        """Take note how that went, or raise it."""

    def advance(self) -> bool:
        """Make the changes that may be seen now; say whether more may be once these are durable."""

    def note_durable(self) -> None:
        """Take note that the directories are synced."""

    def finish(self) -> None:
        """Let go of what is left; called once, after whatever has failed."""


def run_group(members: Sequence[GroupMember], *, syncs: BatchSyncs) -> list[Exception | None]:
    """Carry out all of `members`, and return what each has failed with.

    All contents are written before they are synced, together; and so are the directories, each
    once behind the changes of them all.
    """
    going = [_Going(member) for member in members]
    for one in going:
        one.attempt(one.member.prepare)
    _sync_contents([one for one in going if one.fault is None], syncs)
    left = [one for one in going if one.fault is None]
    while left:
        further = [one for one in left if one.attempt(one.member.advance)]
        _sync_directories([one for one in left if one.fault is None], syncs)
        left = [one for one in further if one.fault is None]
    for one in going:
        one.attempt(one.member.finish)
    return [one.fault for one in going]


class _Going:
    """A member, and what it has failed with first."""

    def __init__(self, member: GroupMember) -> None:
        self.member = member
        self.fault: Exception | None = None

    def attempt(self, step: Callable[[], object]) -> object:
        """Return what a step returns, or False if it fails."""
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - raised where the commit was asked for
            self.fault = self.fault or error
            return False


def _sync_contents(going: Sequence[_Going], syncs: BatchSyncs) -> None:
    unsynced = [one.member.unsynced() for one in going]
    faults = iter(syncs.sync([descriptor for each in unsynced for descriptor in each]))
    for one, each in zip(going, unsynced, strict=True):
        own = [next(faults) for _ in each]
        one.attempt(partial(one.member.settle, own))


def _sync_directories(going: Sequence[_Going], syncs: BatchSyncs) -> None:
    pending = [(one, one.member.pending) for one in going]
    changed = [(one, directories) for one, directories in pending if directories is not None]
    faults = sync_together([directories for _, directories in changed], syncs)
    for (one, _), fault in zip(changed, faults, strict=True):
        one.attempt(one.member.note_durable if fault is None else _raising(fault, one.member.path))


def _raising(fault: OSError, path: str) -> Callable[[], None]:
    def step() -> None:
        with driver_faults(path):
            raise fault

    return step
