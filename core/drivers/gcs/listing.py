"""Directories and unfinished content, as a bucket that only knows names shows them."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

from core.drivers.base import Entry, Unfinished
from core.drivers.gcs.bucket import Bucket
from core.drivers.gcs.keys import Keys, split_group
from core.drivers.gcs.reader import UPLOAD_SESSION
from core.drivers.name_order import in_name_order

__all__ = ["exists_below", "list_children", "list_groups"]

_NAME = re.compile(r"[A-Za-z0-9._-]+")


async def exists_below(bucket: Bucket, prefix: str) -> bool:
    """Say whether there is an object whose name begins with `prefix`."""
    async for page in bucket.pages(prefix, page_size=1):
        if page.objects:
            return True
    return False


async def list_children(bucket: Bucket, prefix: str, start_after: str) -> AsyncIterator[Entry]:
    """Yield the names below a directory, in byte order; what no path can name is left out."""

    async def children() -> AsyncIterator[Entry]:
        async for page in bucket.pages(
            prefix, delimiter="/", start_offset=f"{prefix}{start_after}" if start_after else ""
        ):
            keys = [(key, True) for key in page.prefixes]
            keys += [
                (stored.key, False)
                for stored in page.objects
                if stored.content_type != UPLOAD_SESSION
            ]
            for key, is_directory in sorted(keys):
                name = key.removeprefix(prefix).removesuffix("/")
                if _NAME.fullmatch(name) is not None:
                    yield Entry(name=name, is_directory=is_directory)

    async def is_directory(name: str) -> bool:
        return await exists_below(bucket, f"{prefix}{name}/")

    async for entry in in_name_order(children(), is_directory, start_after):
        yield entry


async def list_groups(bucket: Bucket, keys: Keys, prefix: str) -> AsyncIterator[Unfinished]:
    """Yield the parts whose names begin with `prefix`, those of one writer as one."""
    current: Unfinished | None = None
    async for page in bucket.pages(prefix):
        for stored in page.objects:
            group = split_group(stored.key)
            if group is None:
                continue
            if current is not None and current.key != group[1]:
                yield current
                current = None
            if current is None:
                current = Unfinished(
                    path=keys.path(group[0]), key=group[1], size=0, started_at=stored.created_at
                )
            current = replace(
                current,
                size=current.size + stored.size,
                started_at=min(current.started_at, stored.created_at),
            )
    if current is not None:
        yield current
