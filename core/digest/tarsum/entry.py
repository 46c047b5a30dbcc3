"""`Entry`: what the header of one entry says, read as the tar reader of the time read it.

That reader took forms for good that others refuse, and others the reverse, and each decides a sum.
Texts are the bytes of the header, whatever their encoding.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import ArchiveInvalid

__all__ = [
    "BLOCK_BYTES",
    "Entry",
    "check_writable",
    "parse_entry",
    "parse_number",
    "until_nul",
]

BLOCK_BYTES = 512

_MAX_PARSED = 4096
"""Fields, most of which are alike from entry to entry, so that they are not parsed again."""

_OCTAL = b"01234567"
_MAX_MODE = 0o7777777
_POSIX_MAGIC = b"ustar\0"
_GNU_MAGIC = b"ustar  \0"
_STAR_TRAILER = b"tar\0"
_GZIP_MAGIC = b"\x1f\x8b"
_DEVICES = (b"3", b"4")
_MAX_SIGNED = 0x7F
_SPACES = 8 * ord(" ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of an archive.

    Attributes:
        name, linkname, uname, gname: as they are in the archive.
        size: of its content in bytes, holes included.
        stored_bytes: what the archive has of it, before the padding.
        mtime: seconds since 1970, also before it.
        typeflag: one byte.
        xattrs: extended attributes by name.
    """

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    stored_bytes: int
    mtime: int
    typeflag: bytes
    linkname: bytes
    uname: bytes = b""
    gname: bytes = b""
    devmajor: int = 0
    devminor: int = 0
    xattrs: Mapping[bytes, bytes] = field(default_factory=dict)


def parse_entry(block: bytes) -> Entry:
    """Return what a header says by itself.

    Raises:
        ArchiveInvalid: its checksum is wrong, or a number is none.
    """
    if not _has_right_checksum(block):
        if block.startswith(_GZIP_MAGIC):
            raise ArchiveInvalid(
                "the checksum of a header is wrong; gzip has to be unpacked before"
            )
        raise ArchiveInvalid("the checksum of a header is wrong")
    name, uname, gname, devmajor, devminor = until_nul(block[:100]), b"", b"", 0, 0
    typeflag = block[156:157]
    magic = block[257:265]
    if magic == _GNU_MAGIC or magic.startswith(_POSIX_MAGIC):
        uname, gname = until_nul(block[265:297]), until_nul(block[297:329])
        if typeflag in _DEVICES:
            devmajor, devminor = parse_number(block[329:337]), parse_number(block[337:345])
        if prefix := _parse_prefix(block, is_gnu=magic == _GNU_MAGIC):
            name = prefix + b"/" + name
    size = parse_number(block[124:136])
    if size < 0:
        raise ArchiveInvalid("the size of an entry is negative")
    return Entry(
        name=name,
        mode=parse_number(block[100:108]),
        uid=parse_number(block[108:116]),
        gid=parse_number(block[116:124]),
        size=size,
        stored_bytes=size,
        mtime=parse_number(block[136:148]),
        typeflag=typeflag,
        linkname=until_nul(block[157:257]),
        uname=uname,
        gname=gname,
        devmajor=devmajor,
        devminor=devminor,
    )


def check_writable(entry: Entry) -> None:
    """Return if the library of the time could write the entry again, as it did with every one.

    Raises:
        ArchiveInvalid: it could not, which ended the sum.
    """
    if not 0 <= entry.mode <= _MAX_MODE:
        raise ArchiveInvalid("the mode of an entry has more than 7 octal digits")


@functools.lru_cache(_MAX_PARSED)
def parse_number(text: bytes) -> int:
    """Return the number in a field of a header.

    Octal digits between spaces and NULs; nothing is 0. With the highest bit set it is binary: that
    bit alone is dropped, and what is left is a signed number of 64 bits.

    Raises:
        ArchiveInvalid: it is neither.
    """
    if text[0] & 0x80:
        value = int.from_bytes(text, "big") & ((1 << (8 * len(text) - 1)) - 1) & (2**64 - 1)
        return value - 2**64 if value >= 2**63 else value
    digits = text.strip(b" \0").partition(b"\0")[0]
    if digits.translate(None, _OCTAL):
        raise ArchiveInvalid("a number in a header is not octal")
    return int(digits, 8) if digits else 0


def until_nul(text: bytes) -> bytes:
    """Return what stands before the first NUL."""
    return text.partition(b"\0")[0]


def _parse_prefix(block: bytes, *, is_gnu: bool) -> bytes:
    if is_gnu or block[508:512] != _STAR_TRAILER:
        return until_nul(block[345:500])
    # Two times follow the prefix. They are not hashed, but had to be numbers.
    parse_number(block[476:488])
    parse_number(block[488:500])
    return until_nul(block[345:476])


def _has_right_checksum(block: bytes) -> bool:
    try:
        given = parse_number(block[148:156])
    except ArchiveInvalid:
        return False
    total = sum(block) - sum(block[148:156]) + _SPACES
    if given == total:
        return True
    # Some programs added the bytes up as signed ones.
    negative = sum(byte > _MAX_SIGNED for byte in block[:148] + block[156:])
    return given == total - 256 * negative
