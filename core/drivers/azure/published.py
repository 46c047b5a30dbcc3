"""Which blobs are the file at their path, and which are on their way to it."""

import re
import uuid

__all__ = ["is_published", "temporary_path", "without_temporary_end"]

_TEMPORARY = re.compile(r"\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp\Z")


def is_published(copy_status: str | None) -> bool:
    """Return whether a blob with this copy status is whole.

    Azure shows a blob that it copies into before it is done.
    """
    return copy_status in {None, "success"}


def temporary_path(path: str) -> str:
    """Return where content waits until it is committed to `path`; the incumbent ignores it."""
    return f"{path}.{uuid.uuid4()}.tmp"


def without_temporary_end(name: str) -> str:
    """Return what a blob with a temporary name is on its way to; any other name as it is."""
    return _TEMPORARY.sub("", name)
