"""`CopyTally`: how far a copy is, and what came of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["BlobProgress", "CopyFault", "CopyTally"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFault:
    """One thing of the source that is not at the destination, and why.

    Attributes:
        subject: a digest, the path of a link or other file, or the name of a repository.
        reason: a sentence without its full stop.
    """

    subject: str
    reason: str


def _ignore(fault: CopyFault) -> None:
    pass


@dataclass(slots=True, kw_only=True)
class CopyTally:
    """Counters of one copy, which may be read at any time. In a dry run, of what would be done.

    Attributes:
        on_fault: is called with each fault as it is found.
        blobs_are_listed: whether `total_bytes` is final, but for what is pushed meanwhile.
        total_bytes: of the blobs found in the source so far.
        done_bytes: of those, what needs no more work.
        moved_bytes: read in order to be copied or verified; what was there already is not in it.
        total_objects: blobs and small files found so far.
        done_objects: of those, what needs no more work.
        total_repositories: 0 until all blobs are done.
        done_repositories: of those, what needs no more work.
        copied_blobs: blobs that the destination did not have.
        copied_bytes: of these, and of those that were healed.
        healed_blobs: blobs of which the destination had other content than their digest says.
        present_blobs: blobs that the destination had.
        copied_files: links and other small files that were missing or different.
        present_files: links and other small files that the destination had.
        stale_tag_entries: entries in the histories of tags whose manifests are gone, which is
            what deleting leaves. They were not copied.
        stale_links: links to signatures and to converted manifests that are gone, which is what
            garbage collection leaves. They were not copied.
        unfinished_uploads: what clients had not finished, which was not copied.
        faults: everything that could not be copied.
    """

    on_fault: Callable[[CopyFault], None] = _ignore
    blobs_are_listed: bool = False
    total_bytes: int = 0
    done_bytes: int = 0
    moved_bytes: int = 0
    total_objects: int = 0
    done_objects: int = 0
    total_repositories: int = 0
    done_repositories: int = 0
    copied_blobs: int = 0
    copied_bytes: int = 0
    healed_blobs: int = 0
    present_blobs: int = 0
    copied_files: int = 0
    present_files: int = 0
    stale_tag_entries: int = 0
    stale_links: int = 0
    unfinished_uploads: int = 0
    faults: list[CopyFault] = field(default_factory=list)

    def add_fault(self, subject: str, reason: str) -> None:
        """Keep a fault, and tell of it."""
        fault = CopyFault(subject=subject, reason=reason)
        self.faults.append(fault)
        self.on_fault(fault)

    def add_blob(self, size: int) -> None:
        """Count a blob of the source that is to be looked at."""
        self.total_objects += 1
        self.total_bytes += size

    @contextmanager
    def blob(self, size: int) -> Iterator["BlobProgress"]:
        """Count the work on one blob; it is done, whatever came of it, when the block ends."""
        progress = BlobProgress(self)
        yield progress
        progress.restart()
        self.done_bytes += size
        self.done_objects += 1

    @contextmanager
    def file(self) -> Iterator[None]:
        """Count a link or another small file; it is done when the block ends."""
        self.total_objects += 1
        yield
        self.done_objects += 1


class BlobProgress:
    """The bytes of one blob that have passed by."""

    def __init__(self, tally: CopyTally) -> None:
        self._tally = tally
        self._done = 0

    def add(self, size: int) -> None:
        """Count bytes that were read and written, or read and verified."""
        self._done += size
        self._tally.done_bytes += size
        self._tally.moved_bytes += size

    def restart(self) -> None:
        """Take back what this blob has contributed to what is done."""
        self._tally.done_bytes -= self._done
        self._done = 0
