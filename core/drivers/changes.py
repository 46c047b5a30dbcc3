"""What `StorageDriver.apply` can be asked for, each change a value."""

from dataclasses import dataclass

__all__ = [
    "Barrier",
    "BeginUpload",
    "Change",
    "CleanUp",
    "Delete",
    "Fill",
    "Move",
    "MoveOut",
    "Put",
]


@dataclass(frozen=True, slots=True)
class Put:
    """Store `content` at `path`, atomically, as `StorageDriver.put` does.

    Attributes:
        path: of the file.
        content: all of it.
        may_share: whether the store may keep it once for several files that have it alike, since
            nobody ever writes to such a file in place, in whatever program.
    """

    path: str
    content: bytes
    may_share: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """Make the committed file `source` that of `destination`, as `StorageDriver.move` does."""

    source: str
    destination: str

    @property
    def path(self) -> str:
        """The destination: what faults are named by, unless they are those of the source."""
        return self.destination


@dataclass(frozen=True, slots=True)
class MoveOut:
    """Move a file as `Move` does, and delete the directory that it was in.

    Nobody needs what else is in that directory: it is deleted as `CleanUp` does that. After a crash
    of the machine it may be beside the file at its new place, too.
    """

    source: str
    destination: str

    @property
    def path(self) -> str:
        """The destination: what faults are named by, unless they are those of the source."""
        return self.destination


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a file, or a directory with all below it, as `StorageDriver.delete` does.

    Attributes:
        path: of what goes.
        missing_ok: whether it is no fault that nothing is there.
    """

    path: str
    missing_ok: bool = False


@dataclass(frozen=True, slots=True)
class CleanUp:
    """Delete what nobody needs any more, and what only costs room as long as it is there.

    So it is no fault that nothing is there, nor that it cannot be deleted, which is logged; and
    after a crash of the machine it may be there again, whole or in part.
    """

    path: str


@dataclass(frozen=True, slots=True)
class BeginUpload:
    """Begin an upload with no bytes, claimed by nobody, as `StorageDriver.create_upload` does."""

    path: str


@dataclass(frozen=True, slots=True)
class Fill:
    """Make `content` that of an upload which holds nothing, and which the caller has claimed.

    Only stores with directories are asked for it, where what is moved out afterwards costs little.
    It is durable once `apply` returns, whether or not it is moved out behind this. A `Fill` whose
    list fails may have happened, and may have left a part of `content`.
    """

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Barrier:
    """What stands before it is durable before anything that stands behind it can be seen."""


Change = Put | Move | MoveOut | Delete | CleanUp | BeginUpload | Fill | Barrier
