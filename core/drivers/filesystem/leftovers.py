"""Temporary files of a local file system: those being written now, and those a crash has left.

All of this blocks, and is called from threads.
"""

import os
import re
from contextlib import suppress
from datetime import UTC, datetime

from core.drivers.base import Unfinished
from core.errors import PathNotFound

__all__ = ["is_temporary", "remove_leftover", "scan_leftovers"]

_TEMPORARY = re.compile(r"\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp\Z")
"""The end of their names, whether this registry or the incumbent made them."""

_DIRECTORIES_AT_ONCE = 256


def is_temporary(item: "os.DirEntry[str]") -> bool:
    """Say whether an entry of a directory is a file on its way to another name."""
    return _TEMPORARY.search(item.name) is not None and item.is_file()


def scan_leftovers(root: str, pending: list[str]) -> list[Unfinished]:
    """Return the temporary files of some of the directories in `pending`.

    These are taken out of the list, and their own directories put into it, so that a large store
    is looked through in many short calls: it has been when the list is empty.
    """
    found: list[Unfinished] = []
    for _ in range(_DIRECTORIES_AT_ONCE):
        if not pending:
            break
        # What is deleted meanwhile holds nothing that is left behind.
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(pending.pop()) as scan:
            for item in scan:
                if item.is_symlink():
                    if os.path.isdir(item.path) and not _is_inside(item.path, root):
                        pending.append(item.path)
                elif item.is_dir():
                    pending.append(item.path)
                elif is_temporary(item):
                    with suppress(FileNotFoundError):
                        found.append(_describe(item, root))
    return found


def remove_leftover(target: str, unfinished: Unfinished) -> None:
    """Remove the temporary file of `unfinished`, which was written for the file `target`.

    Raises:
        PathNotFound: its name is not that of a temporary file.
        FileNotFoundError: it is gone, or has its final name.
    """
    if _TEMPORARY.fullmatch(unfinished.key) is None:
        raise PathNotFound(unfinished.path)
    os.unlink(target + unfinished.key)


def _describe(item: "os.DirEntry[str]", root: str) -> Unfinished:
    ending = _TEMPORARY.search(item.name)
    key = ending.group() if ending is not None else ""
    found = item.stat()
    return Unfinished(
        path=item.path.removeprefix(root).removesuffix(key),
        key=key,
        size=found.st_size,
        started_at=datetime.fromtimestamp(found.st_mtime, UTC),
    )


def _is_inside(link: str, root: str) -> bool:
    """Say whether a link leads back into the store, where its target is found anyway."""
    return f"{os.path.realpath(link)}/".startswith(f"{os.path.realpath(root)}/")
