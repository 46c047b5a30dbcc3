"""`EntrySums`: the sums of all entries of an archive, and how they become one."""

import secrets
import struct
from collections.abc import Callable, Iterator
from hashlib import blake2b

from core.digest.tarsum.go_sort import sort_as_go
from core.errors import ArchiveInvalid

__all__ = ["MAX_ENTRIES", "EntrySums", "clean_name"]

MAX_ENTRIES = 1_048_576
"""The most entries that an archive may have: their sums are kept, as they are sorted at the end."""

_NAME_BYTES = 16
_PARTS = 16
"""What is sorted or looked through is taken in so many parts, by its first bits, so that only one
part at a time is there as objects."""


class EntrySums:
    """Sums in the order of the archive.

    An entry takes its sum, 32 bytes with SHA-256, and 16 bytes that stand for its name; with
    `MAX_ENTRIES` that is 48 MiB. Putting them in order takes a sixteenth of their number at a time
    as objects, or, where names repeat, a list of their number.
    """

    def __init__(self, sum_bytes: int) -> None:
        """Prepare for sums of `sum_bytes` each."""
        self._sum_bytes = sum_bytes
        self._sums = bytearray()
        self._names = bytearray()
        # Nobody can find two names that are taken for one without knowing the key.
        self._key = secrets.token_bytes(16)

    def __len__(self) -> int:
        return len(self._names) // _NAME_BYTES

    def add(self, name: bytes, entry_sum: bytes) -> None:
        """Add the sum of the next entry.

        Raises:
            ArchiveInvalid: there are `MAX_ENTRIES` already.
        """
        if len(self) == MAX_ENTRIES:
            raise ArchiveInvalid(f"the archive has more than {MAX_ENTRIES} entries")
        self._sums += entry_sum
        cleaned = clean_name(name)
        self._names += blake2b(cleaned, digest_size=_NAME_BYTES, key=self._key).digest()

    def hand_over(self, update: Callable[[bytes], object]) -> None:
        """Call `update` with the sums in hexadecimal, in the order in which they are combined.

        That is ascending. Where a name repeats, the entries of one name come in the order of the
        archive, as far as the algorithm of the time got: what it compared by was no order.
        """
        if self._has_repeated_names():
            for index in self._sort_by_name_too():
                start = index * self._sum_bytes
                update(self._sums[start : start + self._sum_bytes].hex().encode("ascii"))
            return
        for part in _parts(self._sums, self._sum_bytes):
            part.sort()
            update(b"".join(part).hex().encode("ascii"))

    def _has_repeated_names(self) -> bool:
        return any(len(set(part)) < len(part) for part in _parts(self._names, _NAME_BYTES))

    def _sort_by_name_too(self) -> list[int]:
        sums, names, width = self._sums, self._names, self._sum_bytes

        def is_less(one: int, other: int) -> bool:
            if (
                names[one * _NAME_BYTES : (one + 1) * _NAME_BYTES]
                == names[other * _NAME_BYTES : (other + 1) * _NAME_BYTES]
            ):
                return one < other
            return sums[one * width : (one + 1) * width] < sums[other * width : (other + 1) * width]

        order = list(range(len(self)))
        sort_as_go(order, is_less)
        return order


def clean_name(name: bytes) -> bytes:
    """Return what is compared to find a name again: without one `./` before and one `/` behind."""
    return name.removeprefix(b"./").removesuffix(b"/")


def _parts(values: bytearray, width: int) -> Iterator[list[bytes]]:
    """Yield the values in lists, those of each list greater than those of the one before."""
    for part in range(_PARTS):
        yield [
            value for (value,) in struct.iter_unpack(f"{width}s", values) if value[0] >> 4 == part
        ]
