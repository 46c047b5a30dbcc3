"""What the records of a PAX header change of the entry behind it.

Spec: POSIX.1-2001, "pax Interchange Format"; of its keys only those count that the tar reader of
the time knew, and those with extended attributes.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from core.digest.tarsum.entry import Entry
from core.errors import ArchiveInvalid

__all__ = ["SPARSE_MAP", "apply_records", "parse_decimal", "parse_records"]

SPARSE_MAP = b"GNU.sparse.map"

_SPARSE_PAIRS = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
_XATTR = b"SCHILY.xattr."
_DECIMAL = re.compile(rb"[+-]?[0-9]{1,64}")
_MAX_LENGTH_BYTES = 66
_FRACTION = re.compile(rb"[0-9]*")


def parse_records(content: bytes) -> dict[bytes, bytes]:
    """Return the records of a PAX header by key; the last one of a key counts.

    The pairs of an old form of sparse maps, which repeat their keys, are joined by commas.

    Raises:
        ArchiveInvalid: a record is malformed.
    """
    records: dict[bytes, bytes] = {}
    pairs: list[bytes] = []
    start = 0
    while start < len(content):
        space = content.find(b" ", start, start + _MAX_LENGTH_BYTES)
        stop = 0 if space < 0 else start + parse_decimal(content[start:space])
        # A record is its length, a space, and at least what ends it.
        if space < 0 or not space + 1 < stop <= len(content):
            raise ArchiveInvalid("a record of a PAX header has no proper length")
        key, equals, value = content[space + 1 : stop - 1].partition(b"=")
        if not equals:
            raise ArchiveInvalid("a record of a PAX header has no value")
        if key in _SPARSE_PAIRS:
            pairs.append(value)
        else:
            records[key] = value
        start = stop
    if pairs:
        records[SPARSE_MAP] = b",".join(pairs)
    return records


def apply_records(entry: Entry, records: Mapping[bytes, bytes]) -> Entry:
    """Return the entry as the records before it have it, but for what they say of holes.

    Raises:
        ArchiveInvalid: a number is none. The library of the time then applied whatever records it
            had come across before, in no order, so that there is no one sum.
    """
    for key in (b"atime", b"ctime"):
        if key in records:
            _parse_seconds(records[key])
    return replace(
        entry,
        name=records.get(b"path", entry.name),
        linkname=records.get(b"linkpath", entry.linkname),
        uname=records.get(b"uname", entry.uname),
        gname=records.get(b"gname", entry.gname),
        uid=_find_decimal(records, b"uid", entry.uid),
        gid=_find_decimal(records, b"gid", entry.gid),
        size=_find_decimal(records, b"size", entry.size),
        mtime=_parse_seconds(records[b"mtime"]) if b"mtime" in records else entry.mtime,
        xattrs={
            key.removeprefix(_XATTR): value
            for key, value in records.items()
            if key.startswith(_XATTR)
        },
    )


def parse_decimal(text: bytes) -> int:
    """Return a signed decimal number of 64 bits.

    Raises:
        ArchiveInvalid: it is none.
    """
    value = int(text) if _DECIMAL.fullmatch(text) else 2**63
    if not -(2**63) <= value < 2**63:
        raise ArchiveInvalid("a number in a PAX header is none of 64 bits")
    return value


def _find_decimal(records: Mapping[bytes, bytes], key: bytes, default: int) -> int:
    return parse_decimal(records[key]) if key in records else default


def _parse_seconds(text: bytes) -> int:
    """Return the seconds before the point, whatever the fraction behind it adds to them."""
    seconds, _, fraction = text.partition(b".")
    if _FRACTION.fullmatch(fraction) is None:
        raise ArchiveInvalid("a time in a PAX header is none")
    return parse_decimal(seconds)
