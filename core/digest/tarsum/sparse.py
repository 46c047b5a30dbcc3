"""Maps of files with holes: which ranges of a file the archive has, the rest being zeros.

There are four forms: that of old GNU headers, and 0.0, 0.1 and 1.0 in PAX headers.
Spec: GNU tar manual, "Storing Sparse Files".
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from core.digest.tarsum.entry import Entry, parse_number
from core.digest.tarsum.extended import SPARSE_MAP, parse_decimal
from core.errors import ArchiveInvalid

__all__ = [
    "MAX_FRAGMENTS",
    "Fragment",
    "SparseMap",
    "apply_sparse_records",
    "find_sparse_form",
    "parse_extension_block",
    "parse_gnu_header",
    "parse_listed_map",
]

MAX_FRAGMENTS = 65_536
"""The most ranges that one file may have."""

Fragment = tuple[int, int]
"""Where a range of a file begins, and how many bytes of it the archive has."""

_MAJOR, _MINOR = b"GNU.sparse.major", b"GNU.sparse.minor"
_NAME, _SIZE, _REAL_SIZE = b"GNU.sparse.name", b"GNU.sparse.size", b"GNU.sparse.realsize"
_COUNT = b"GNU.sparse.numblocks"
_FORMS = ("0.0", "0.1", "1.0")
_PAIR_BYTES = 24


class SparseMap:
    """The fragments of one file, in their order."""

    def __init__(self) -> None:
        self._fragments: list[Fragment] = []
        self._end = 0

    def add(self, fragments: Iterable[Fragment]) -> None:
        """Add what follows.

        Raises:
            ArchiveInvalid: a fragment begins before the last one ends, or there are too many.
        """
        for start, count in fragments:
            if start < self._end or count < 0:
                raise ArchiveInvalid("the map of a sparse file is out of order")
            if len(self._fragments) == MAX_FRAGMENTS:
                raise ArchiveInvalid(f"a sparse file has more than {MAX_FRAGMENTS} fragments")
            self._fragments.append((start, count))
            self._end = start + count

    def close(self, entry: Entry) -> list[Fragment]:
        """Return all fragments.

        Raises:
            ArchiveInvalid: they do not fit into the file, or the archive has less of it.
        """
        if self._end > entry.size:
            raise ArchiveInvalid("the map of a sparse file goes beyond its end")
        if sum(count for _, count in self._fragments) > entry.stored_bytes:
            raise ArchiveInvalid("the archive has less of a sparse file than its map says")
        return self._fragments


def find_sparse_form(records: Mapping[bytes, bytes]) -> str | None:
    """Return "0.0", "0.1" or "1.0" if these records say that a file has holes, or None.

    A form that is unknown is none: such a file was read as any other.
    """
    if _MAJOR in records and _MINOR in records:
        form = f"{records[_MAJOR].decode('latin-1')}.{records[_MINOR].decode('latin-1')}"
        return form if form in _FORMS else None
    if _NAME in records and SPARSE_MAP in records:
        return "0.1"
    return "0.0" if _SIZE in records else None


def apply_sparse_records(entry: Entry, records: Mapping[bytes, bytes]) -> Entry:
    """Return the entry with the name and the size of the file with its holes.

    Raises:
        ArchiveInvalid: the size is no number, or negative.
    """
    size = records.get(_SIZE, records.get(_REAL_SIZE))
    entry = replace(
        entry,
        name=records.get(_NAME, entry.name),
        size=entry.size if size is None else parse_decimal(size),
    )
    if entry.size < 0:
        raise ArchiveInvalid("the size of a sparse file is negative")
    return entry


def parse_listed_map(records: Mapping[bytes, bytes]) -> list[Fragment]:
    """Return the map of the forms 0.0 and 0.1.

    Raises:
        ArchiveInvalid: it is malformed.
    """
    text = records.get(SPARSE_MAP, b"")
    count = parse_decimal(records.get(_COUNT, b""))
    if count > MAX_FRAGMENTS:
        raise ArchiveInvalid(f"a sparse file has more than {MAX_FRAGMENTS} fragments")
    if text.count(b",") + 1 != 2 * count:
        raise ArchiveInvalid("the map of a sparse file has another length than is told")
    values = [parse_decimal(number) for number in text.split(b",")]
    return list(zip(values[::2], values[1::2], strict=True))


def parse_gnu_header(block: bytes) -> tuple[int, list[Fragment], bool]:
    """Return the real size, the fragments in an old GNU header, and whether a block follows.

    Raises:
        ArchiveInvalid: a number is none.
    """
    return parse_number(block[483:495]), _parse_pairs(block[386:482]), block[482] != 0


def parse_extension_block(block: bytes) -> tuple[list[Fragment], bool]:
    """Return the fragments in a block behind an old GNU header, and whether another follows.

    Raises:
        ArchiveInvalid: a number is none.
    """
    return _parse_pairs(block[:504]), block[504] != 0


def _parse_pairs(field: bytes) -> list[Fragment]:
    fragments = []
    for start in range(0, len(field), _PAIR_BYTES):
        pair = field[start : start + _PAIR_BYTES]
        fragment = parse_number(pair[:12]), parse_number(pair[12:])
        if fragment == (0, 0):
            break
        fragments.append(fragment)
    return fragments
