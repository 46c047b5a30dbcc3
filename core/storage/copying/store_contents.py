"""What is stored, found by listing: blobs, repositories, and the files of a repository.

What comes or goes meanwhile may or may not be found; everything else is found once.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from core.digest import ALGORITHMS, Algorithm, Digest
from core.drivers import Entry, StorageDriver
from core.errors import DigestInvalid, PathNotFound
from core.storage import paths

__all__ = [
    "LINK",
    "DigestDirectory",
    "list_blob_directories",
    "list_directories",
    "list_repository_directories",
    "walk_digest_directories",
    "walk_files",
]

_DIRECTORIES = {algorithm.directory: algorithm for algorithm in ALGORITHMS.values()}

LINK = "link"
"""The name of every file whose content is a digest."""

_TEMPORARY = ".tmp"
"""Ends the names of what a crash of the incumbent has left on a store without rename."""


@dataclass(frozen=True, slots=True)
class DigestDirectory:
    """A directory that is named after content.

    Attributes:
        path: of the directory.
        digest: that it spells; None if it is no digest of an algorithm that is known here.
    """

    path: str
    digest: Digest | None


async def list_blob_directories(driver: StorageDriver) -> AsyncGenerator[DigestDirectory, None]:
    """Yield each directory that should hold a blob.

    Of an algorithm that is not known here, only the one directory with all its blobs is given.
    """
    async for directory, algorithm in _list_algorithms(driver, paths.BLOBS):
        if algorithm is None:
            yield DigestDirectory(directory, None)
            continue
        for prefix in await list_directories(driver, directory):
            for encoded in await list_directories(driver, f"{directory}/{prefix}"):
                digest = _find_digest(algorithm, encoded)
                if not encoded.startswith(prefix):
                    digest = None
                yield DigestDirectory(f"{directory}/{prefix}/{encoded}", digest)


async def list_repository_directories(
    driver: StorageDriver, parent: str = paths.REPOSITORIES
) -> AsyncGenerator[str, None]:
    """Yield the directory of each repository that has anything, also only an unfinished upload."""
    children = await list_directories(driver, parent)
    if any(child.startswith("_") for child in children):
        yield parent
    for child in children:
        if not child.startswith("_"):
            async for directory in list_repository_directories(driver, f"{parent}/{child}"):
                yield directory


async def walk_digest_directories(
    driver: StorageDriver, root: str
) -> AsyncGenerator[DigestDirectory, None]:
    """Yield the directories `<algorithm>/<encoded>` below `root`."""
    async for directory, algorithm in _list_algorithms(driver, root):
        for encoded in await list_directories(driver, directory):
            yield DigestDirectory(f"{directory}/{encoded}", _find_digest(algorithm, encoded))


async def walk_files(driver: StorageDriver, directory: str) -> AsyncGenerator[str, None]:
    """Yield the paths of all files below a directory, those that are deepest first."""
    entries = await _list(driver, directory)
    for entry in entries:
        if entry.is_directory:
            async for path in walk_files(driver, f"{directory}/{entry.name}"):
                yield path
    for entry in entries:
        if not entry.is_directory and not entry.name.endswith(_TEMPORARY):
            yield f"{directory}/{entry.name}"


async def list_directories(driver: StorageDriver, path: str) -> Sequence[str]:
    """Return the names of the directories in a directory; none if there is no such directory."""
    return [entry.name for entry in await _list(driver, path) if entry.is_directory]


async def _list(driver: StorageDriver, path: str) -> Sequence[Entry]:
    try:
        return [entry async for entry in driver.list(path)]
    except PathNotFound:
        return ()


async def _list_algorithms(
    driver: StorageDriver, root: str, parent: str = ""
) -> AsyncGenerator[tuple[str, Algorithm | None], None]:
    """Yield the directory of each algorithm below `root`; None stands for one that is unknown."""
    for name in await list_directories(driver, f"{root}/{parent}".removesuffix("/")):
        below = f"{parent}{name}"
        if any(known.startswith(f"{below}/") for known in _DIRECTORIES):
            async for found in _list_algorithms(driver, root, f"{below}/"):
                yield found
        else:
            yield f"{root}/{below}", _DIRECTORIES.get(below)


def _find_digest(algorithm: Algorithm | None, encoded: str) -> Digest | None:
    if algorithm is None:
        return None
    try:
        return Digest.parse(f"{algorithm.name}:{encoded}")
    except DigestInvalid:
        return None
