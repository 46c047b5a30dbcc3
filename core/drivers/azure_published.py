"""Which blobs are the file at their path, and which are not, or not yet.

Azure makes a blob before it is done with copying into it, and it has no way to discard blocks but
to commit an empty blob in their place. Both can be told by what comes with every answer.
"""

import re
from collections.abc import Mapping

__all__ = ["DISCARDED", "is_published", "without_temporary_end"]

DISCARDED = {"moorage_discarded": "true"}
"""The metadata of a blob that takes the place of discarded blocks, until it is deleted itself."""

_TEMPORARY = re.compile(r"\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp\Z")


def is_published(copy_status: str | None, metadata: Mapping[str, str]) -> bool:
    """Return whether a blob with this copy status and metadata is what its path holds."""
    return copy_status in {None, "success"} and not DISCARDED.items() <= metadata.items()


def without_temporary_end(name: str) -> str:
    """Return what a blob with a temporary name is on its way to; any other name as it is."""
    return _TEMPORARY.sub("", name)
