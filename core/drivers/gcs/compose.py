"""Any number of objects put together into one, by calls that take 32 at a time."""

from collections.abc import Sequence
from functools import reduce
from uuid import uuid4

import structlog
from anyio import CancelScope

from core.drivers.gcs.bucket import MAX_SOURCES, Bucket, StoredObject
from core.drivers.gcs.checksum import combine_crc32c
from core.drivers.gcs.keys import part_key, parts_prefix
from core.drivers.gcs.parallel import run_all
from core.errors import DriverError, DriverUnavailable

__all__ = ["compose_all", "delete_quietly"]

_AT_ONCE = 8

_log = structlog.get_logger()


async def compose_all(
    bucket: Bucket, sources: Sequence[StoredObject], key: str
) -> StoredObject | None:
    """Make the content of `sources`, in their order, that of the object `key`, all at once.

    More than one call can take are first put together in groups, under names that are not those
    of files and that are gone again in the end. Sizes and checksums of what the store has made
    are compared with those of its sources.

    Returns:
        The new object, or None if one of the sources is gone or another by now.

    Raises:
        DriverUnavailable: the store did not do it, or made something else.
    """
    scratch = parts_prefix(key, str(uuid4()))
    made: list[str] = []
    try:
        while len(sources) > MAX_SOURCES:
            grouped = await _compose_groups(bucket, sources, scratch, made)
            if grouped is None:
                return None
            sources = grouped
        return await _compose(bucket, sources, key)
    finally:
        await delete_quietly(bucket, made)


async def delete_quietly(bucket: Bucket, keys: Sequence[str]) -> None:
    """Delete what is not needed any more, to the end. What stays only costs room, and is logged."""
    with CancelScope(shield=True):
        try:
            await bucket.delete_all(keys)
        except DriverError as error:
            _log.warning("parts were not deleted", first=keys[0], reason=str(error))


async def _compose_groups(
    bucket: Bucket, sources: Sequence[StoredObject], scratch: str, made: list[str]
) -> Sequence[StoredObject] | None:
    """Put each 32 of `sources` together, and enter the names of what is made in `made`."""
    groups = [sources[start : start + MAX_SOURCES] for start in range(0, len(sources), MAX_SOURCES)]
    results: dict[int, StoredObject | None] = {}

    async def compose(index: int, target: str) -> None:
        # A call that was begun may be carried out whatever happens here: its end is waited for.
        with CancelScope(shield=True):
            results[index] = await _compose(bucket, groups[index], target)

    targets = [part_key(scratch, len(made) + index) for index in range(len(groups))]
    made.extend(targets)
    await run_all((compose(index, target) for index, target in enumerate(targets)), _AT_ONCE)
    composed = [results[index] for index in range(len(groups))]
    found = [part for part in composed if part is not None]
    return found if len(found) == len(groups) else None


async def _compose(
    bucket: Bucket, sources: Sequence[StoredObject], key: str
) -> StoredObject | None:
    composed = await bucket.compose(sources, key)
    if composed is None:
        return None
    size = sum(source.size for source in sources)
    checksum = _combined(sources)
    if composed.size != size or (checksum and composed.crc32c and composed.crc32c != checksum):
        await bucket.delete(key, composed.generation)
        raise DriverUnavailable(key, f"composed {composed.size} bytes that differ from the parts")
    return composed


def _combined(sources: Sequence[StoredObject]) -> str | None:
    """Return the checksum of all together, or None if that of one is not known."""
    pairs = [(source.crc32c, source.size) for source in sources if source.crc32c is not None]
    if len(pairs) < len(sources):
        return None
    return reduce(lambda left, right: combine_crc32c(left, *right), pairs[1:], pairs[0][0])
