"""Changes to a local file system that are whole or absent, and durable.

All of this blocks, and is called from threads.
"""

import errno
import os
import shutil
import uuid
from contextlib import suppress

__all__ = [
    "discard",
    "remove",
    "replace",
    "sync_content",
    "sync_directory",
    "temporary_name",
    "write_all",
]

_ATTEMPTS = 8


def temporary_name(target: str) -> str:
    """Return a name beside `target` that nobody else uses, of the form the incumbent uses too."""
    return f"{target}.{uuid.uuid4()}.tmp"


def sync_directory(directory: str) -> None:
    """Make the entries of `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes | bytearray | memoryview) -> None:
    """Write all of `content`, however many calls the system needs for it."""
    with memoryview(content) as view:
        written = 0
        while written < len(view):
            written += os.write(descriptor, view[written:])


def sync_content(descriptor: int, target: str) -> None:
    """Make the content of the open file `target` durable, or remove the file.

    Raises:
        OSError: it could not be made durable, and cannot be read any more.
    """
    try:
        os.fsync(descriptor)
    except OSError:
        # The system has dropped what it could not write, and a later sync of the same file would
        # succeed without it: the content must be written again from its start.
        discard(target)
        raise


def replace(temporary: str, target: str, *, durable: bool) -> None:
    """Rename `temporary`, which is durable itself, to `target`, in place of what is there."""
    os.replace(temporary, target)
    if durable:
        with suppress(FileNotFoundError):
            # The directory may be deleted by now, and with it what was renamed.
            sync_directory(os.path.dirname(target))


def remove(target: str, *, durable: bool) -> None:
    """Remove a file or a whole directory.

    Raises:
        FileNotFoundError: there was nothing.
    """
    try:
        os.unlink(target)
    except (IsADirectoryError, PermissionError):
        if not os.path.isdir(target):
            if not os.path.lexists(target):
                # Another process has just removed it.
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
            raise
        if not _remove_flat(target):
            _remove_tree(target)
    if durable:
        with suppress(FileNotFoundError):
            # The parent may be gone by now, by someone else's delete: then so is the entry.
            sync_directory(os.path.dirname(target))


def _remove_flat(target: str) -> bool:
    """Remove a directory of files only, which costs a third of any; say whether that was all."""
    with suppress(OSError):
        with os.scandir(target) as scan:
            names = [item.path for item in scan if not item.is_dir(follow_symlinks=False)]
        for name in names:
            os.unlink(name)
        os.rmdir(target)
        return True
    # A fault, if it is one and nothing that another process did meanwhile, will be met again.
    return False


def _remove_tree(target: str) -> None:
    # A file that is made in the tree meanwhile makes a directory "not empty", and one that is
    # removed by another process is "not found": both mean that the walk starts again.
    for attempt in range(_ATTEMPTS):
        try:
            shutil.rmtree(target)
        except FileNotFoundError:
            if not os.path.lexists(target):
                return
            if attempt == _ATTEMPTS - 1:
                raise
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def discard(temporary: str) -> None:
    """Remove a file that may be gone: renamed before a sync that failed, or with its directory."""
    with suppress(FileNotFoundError):
        os.unlink(temporary)
