"""Archives that are made to cost much: what they may cost is bounded."""

import time
import tracemalloc
from collections.abc import Iterator

import pytest

from core.digest.tarsum import (
    MAX_ENTRIES,
    MAX_EXTENSION_BYTES,
    MAX_HOLE_BYTES,
    TarsumHasher,
)
from core.digest.tarsum import sums as sums_module
from core.digest.tarsum.sums import EntrySums
from core.errors import ArchiveInvalid, ArchiveTruncated
from tests.digest.tarsum.archives import END, entry, header, pax, record, sum_of

__all__: list[str] = []

BLOCK_ENTRIES = 4096
HUGE = b"\x80\0\0\0\x10\0\0\0\0\0\0\0"
"""A size of 2**60 bytes."""


def many(count: int) -> Iterator[bytes]:
    """Give entries without content, in blocks of 2 MiB, each with a name of its own."""
    block = bytearray(header({"name": b"0" * 12}) * BLOCK_ENTRIES)
    for start in range(0, count, BLOCK_ENTRIES):
        for index in range(BLOCK_ENTRIES):
            place = 512 * index
            block[place : place + 12] = b"%012d" % (start + index)
            # The checksum changes with the digits alone.
            total = sum(b"%012d" % (start + index)) - 12 * 48
            block[place + 148 : place + 154] = b"%06o" % (FIRST_CHECKSUM + total)
        yield bytes(block)


FIRST_CHECKSUM = int(header({"name": b"0" * 12})[148:154], 8)


def seconds_for(blocks: list[bytes]) -> float:
    hasher = TarsumHasher()
    begin = time.process_time()
    for block in blocks:
        hasher.update(block)
    hasher.hexdigest()
    return time.process_time() - begin


def peak_of(blocks: list[bytes]) -> int:
    hasher = TarsumHasher()
    tracemalloc.start()
    try:
        for block in blocks:
            hasher.update(block)
        hasher.hexdigest()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_entries_take_memory_for_their_sums_alone() -> None:
    few, more = (peak_of(list(many(count))) for count in (4096, 20_480))
    # 48 bytes are kept; growing arrays hold some more, and a sixteenth of all is sorted at a time.
    assert (more - few) / (20_480 - 4096) < 100


def test_what_is_kept_of_a_million_entries_is_48_bytes_each() -> None:
    sums = EntrySums(32)
    for _ in range(10):
        sums.add(b"name", bytes(32))
    kept = len(sums._sums) + len(sums._names)
    assert kept == 10 * 48
    assert MAX_ENTRIES * 48 == 48 * 1024 * 1024


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_entries_take_time_in_proportion_to_their_number() -> None:
    blocks = list(many(32_768))
    seconds_for(blocks[:1])
    few, all_of_them = (min(seconds_for(part) for _ in range(2)) for part in (blocks[:1], blocks))
    assert all_of_them < few * 8 * 3


def test_more_entries_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums_module, "MAX_ENTRIES", 3)
    assert sum_of(entry(b"a") * 3 + END)
    with pytest.raises(ArchiveInvalid, match="more than 3 entries"):
        sum_of(entry(b"a") * 4 + END)


@pytest.mark.parametrize("typeflag", [b"0", b"5", b"1"])
def test_an_absurd_size_costs_nothing_and_is_a_cut(typeflag: bytes) -> None:
    with pytest.raises(ArchiveTruncated, match="inside the content"):
        sum_of(entry(b"a", size=HUGE, typeflag=typeflag) + END)


@pytest.mark.parametrize("typeflag", [b"x", b"L", b"K"])
@pytest.mark.parametrize("size", [HUGE, b"%011o\0" % (MAX_EXTENSION_BYTES + 1)])
def test_a_header_with_absurdly_much_behind_it_is_refused(typeflag: bytes, size: bytes) -> None:
    with pytest.raises(ArchiveInvalid, match="more than 1048576 bytes"):
        sum_of(entry(b"a", size=size, typeflag=typeflag))


def test_a_pax_header_up_to_the_limit_is_read_in_linear_time() -> None:
    some = record(b"SCHILY.xattr.user.", b"v")
    count = MAX_EXTENSION_BYTES // (len(some) + 6)
    records = b"".join(record(b"SCHILY.xattr.user.%05d" % index, b"v") for index in range(count))
    assert MAX_EXTENSION_BYTES * 0.9 < len(records) <= MAX_EXTENSION_BYTES
    begin = time.process_time()
    sum_of(entry(b"x", records, typeflag=b"x") + entry(b"a") + END)
    assert time.process_time() - begin < 2


def test_an_attribute_without_a_name_cannot_be_repeated_without_bound() -> None:
    # Its value is hashed once more for each attribute: 400 KB would come to two GB.
    names = [(b"SCHILY.xattr.%04d" % index, b"") for index in range(9000)]
    archive = pax((b"SCHILY.xattr.", b"v" * 200_000), *names) + entry(b"a") + END
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveInvalid, match="without a name"):
            sum_of(archive)
        assert tracemalloc.get_traced_memory()[1] < 16 * MAX_EXTENSION_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("digits", [b"9" * 1000, b"0" * 100_000 + b"1", b"9" * 500_000])
def test_a_number_of_many_digits_is_refused(digits: bytes) -> None:
    for archive in (pax((b"uid", digits)), entry(b"x", digits + b" a=b\n", typeflag=b"x")):
        begin = time.process_time()
        with pytest.raises(ArchiveInvalid):
            sum_of(archive + entry(b"a") + END)
        assert time.process_time() - begin < 0.5


@pytest.mark.parametrize("size", [MAX_HOLE_BYTES + 1, 2**60, 2**63 - 1])
def test_absurd_holes_are_refused_and_not_hashed(size: int) -> None:
    records = pax(
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.realsize", b"%d" % size),
    )
    begin = time.process_time()
    with pytest.raises(ArchiveInvalid, match="holes"):
        sum_of(records + entry(b"h", b"0\n".ljust(512, b"\0")) + END)
    assert time.process_time() - begin < 0.5


def test_the_holes_of_all_files_count_together() -> None:
    records = pax(
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.realsize", b"%d" % (MAX_HOLE_BYTES // 2)),
    )
    file = records + entry(b"h", b"0\n".ljust(512, b"\0"))
    with pytest.raises(ArchiveInvalid, match="holes"):
        sum_of(file * 2 + file + END)


def test_long_names_before_long_names_take_no_more_room_and_no_stack() -> None:
    name = entry(b"L", b"n" * 400 + b"\0", typeflag=b"L")
    hasher = TarsumHasher()
    for _ in range(20):
        hasher.update(name * 100)
    hasher.update(entry(b"a") + END)
    assert hasher.hexdigest() == sum_of(entry(b"L", b"n" * 400, typeflag=b"L") + entry(b"a") + END)


def test_nothing_is_read_of_what_follows_a_fault() -> None:
    hasher = TarsumHasher()
    hasher.update(b"x" * 512)
    begin = time.process_time()
    for _ in range(1000):
        hasher.update(bytes(65_536))
    assert time.process_time() - begin < 0.5
    with pytest.raises(ArchiveInvalid, match="checksum"):
        hasher.hexdigest()
