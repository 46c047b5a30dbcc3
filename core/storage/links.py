"""Links: files whose whole content is a digest. Content is reached through a repository's link."""

import structlog

from core.digest import Digest
from core.drivers import Put, StorageDriver
from core.errors import DigestInvalid, PathNotFound
from core.storage import paths
from core.storage.names import RepositoryName

__all__ = [
    "find_link",
    "layer_links",
    "link",
    "may_hold",
    "parse_link",
    "unlink",
    "write_link",
]

_log = structlog.get_logger()


def parse_link(content: bytes) -> Digest:
    """Return the digest that is the content of a link.

    Raises:
        DigestInvalid: it is none, or of an unknown algorithm.
    """
    return Digest.parse(content.decode("ascii", "replace").strip())


async def find_link(
    driver: StorageDriver, path: str, linked: Digest | None = None
) -> Digest | None:
    """Return the digest that the link at `path` holds, or None if there is none.

    A link that is empty or no digest counts as missing, and so does one that stands for `linked`
    and holds what it may not; both are logged, and the next push of the content writes the link
    anew.
    """
    try:
        content = await driver.get(path)
    except PathNotFound:
        return None
    if linked is not None and content == str(linked).encode("ascii"):
        return linked
    try:
        target = parse_link(content)
    except DigestInvalid as error:
        _log.error("link is damaged", path=path, reason=error.message)
        return None
    if linked is not None and not may_hold(linked, target):
        _log.error("link is damaged", path=path, reason=f"it holds {target}")
        return None
    return target


def may_hold(linked: Digest, target: Digest) -> bool:
    """Say whether the link that stands for `linked` may hold `target`.

    A digest of another algorithm may be there: that is how the incumbent stores what was pushed
    with sha512, and how content is linked under its tarsum. But a tarsum, which does not name
    bytes, stands for itself alone.
    """
    if target == linked:
        return True
    return target.algorithm is not linked.algorithm and target.algorithm.names_bytes


def layer_links(name: RepositoryName, digest: Digest, content: Digest) -> list[Put]:
    """Return the changes by which a repository has what is stored under `content` as `digest`.

    If `digest` does not name bytes, it is linked under `content` too, as answers tell of that.
    """
    names = [digest] if digest.algorithm.names_bytes or digest == content else [content, digest]
    return [link(paths.layer_link(name, one), content) for one in names]


def link(path: str, target: Digest) -> Put:
    """Return the change that makes the link at `path` hold `target`, whatever was there."""
    return Put(path, str(target).encode("ascii"))


async def write_link(driver: StorageDriver, path: str, target: Digest) -> None:
    """Make the link at `path` hold `target`, durably, whatever was there."""
    await driver.apply([link(path, target)])


async def unlink(driver: StorageDriver, path: str) -> bool:
    """Remove the link at `path`; say whether there was one. Its content stays where it is."""
    try:
        await driver.delete(path)
    except PathNotFound:
        return False
    return True
