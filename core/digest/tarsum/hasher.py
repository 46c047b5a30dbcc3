"""`TarsumHasher`: the tarsum of content that passes by in chunks."""

from collections.abc import Callable, Mapping
from enum import Enum
from hashlib import sha256
from typing import Protocol

from core.digest.tarsum.entry import Entry
from core.digest.tarsum.reader import ArchiveReader
from core.digest.tarsum.sums import EntrySums
from core.errors import ArchiveInvalid

__all__ = ["MAX_REPEATED_BYTES", "TarsumHasher", "TarsumVersion"]

MAX_REPEATED_BYTES = 64 * 1024
"""The most that the value of an attribute without a name may come to in one entry: it is hashed
once more for each attribute, which costs the sender nothing."""

_NO_NAME = b""


class TarsumVersion(Enum):
    """What is hashed of an entry; the values are what stands before the `+` of a digest."""

    V0 = "tarsum"
    """With the time of the last change, without extended attributes."""

    V1 = "tarsum.v1"
    """Without that time, with extended attributes."""


class _Hash(Protocol):
    @property
    def digest_size(self) -> int: ...

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...

    def hexdigest(self) -> str: ...


class TarsumHasher:
    """A running tarsum, to be used as the hashes of `hashlib` are.

    It takes time in proportion to what comes, and memory of 48 bytes for each entry, up to the
    limits that this package names; an archive past one of them has no tarsum here. What is no
    archive is noticed when it comes, and told when the sum is asked for: whatever else is done with
    the content goes on.
    """

    def __init__(
        self,
        version: TarsumVersion = TarsumVersion.V1,
        new_hash: Callable[[], _Hash] = sha256,
        extra: bytes = b"",
    ) -> None:
        """Prepare a sum of nothing.

        Args:
            version: of the sum.
            new_hash: makes the hashes, of the entries and of their sums.
            extra: is hashed before the sums; registries have nothing there.
        """
        self._version = version
        self._new_hash = new_hash
        self._extra = extra
        self._name = b""
        self._entry_hash = new_hash()
        self._sums = EntrySums(self._entry_hash.digest_size)
        self._reader = ArchiveReader(self)
        self._fault: ArchiveInvalid | None = None

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take in more content. Never raises for what it is."""
        if self._fault is not None:
            return
        try:
            self._reader.feed(memoryview(data))
        except ArchiveInvalid as error:
            self._fault = error

    def hexdigest(self) -> str:
        """Return the tarsum of the content so far, in lower-case hexadecimal; more may follow.

        Raises:
            ArchiveInvalid: the content is no archive, or one past the limits.
            ArchiveTruncated: it is the beginning of one.
        """
        if self._fault is not None:
            raise self._fault
        self._reader.check_end()
        total = self._new_hash()
        total.update(self._extra)
        self._sums.hand_over(total.update)
        return total.hexdigest()

    def begin(self, entry: Entry) -> None:
        """Start the sum of an entry, for the reader."""
        self._name = entry.name
        self._entry_hash = self._new_hash()
        self._entry_hash.update(_join_fields(entry, self._version))

    def add(self, content: bytes | memoryview) -> None:
        """Add content of the entry, for the reader."""
        self._entry_hash.update(content)

    def end(self) -> None:
        """Keep the sum of the entry, for the reader."""
        self._sums.add(self._name, self._entry_hash.digest())


def _join_fields(entry: Entry, version: TarsumVersion) -> bytes:
    """Return what is hashed of a header: names and values, one behind the other."""
    fields = [
        *(b"name", entry.name, b"mode%d" % entry.mode, b"uid%d" % entry.uid),
        *(b"gid%d" % entry.gid, b"size%d" % entry.size),
    ]
    if version is TarsumVersion.V0:
        fields.append(b"mtime%d" % entry.mtime)
    fields += [
        *(b"typeflag", entry.typeflag, b"linkname", entry.linkname),
        *(b"uname", entry.uname, b"gname", entry.gname),
        b"devmajor%ddevminor%d" % (entry.devmajor, entry.devminor),
    ]
    if version is TarsumVersion.V1 and entry.xattrs:
        fields.append(_repeat_unnamed(entry.xattrs))
        for name in sorted(entry.xattrs):
            fields += (name, entry.xattrs[name])
    return b"".join(fields)


def _repeat_unnamed(xattrs: Mapping[bytes, bytes]) -> bytes:
    """Return what the library hashed before the attributes themselves.

    It kept a list of their names that began with as many empty ones as there are attributes, which
    shows where an attribute has no name.
    """
    value = xattrs.get(_NO_NAME, b"")
    if len(value) * len(xattrs) > MAX_REPEATED_BYTES:
        raise ArchiveInvalid(
            f"an attribute without a name comes to more than {MAX_REPEATED_BYTES} bytes, as it "
            "counts once more for each attribute"
        )
    return value * len(xattrs)
