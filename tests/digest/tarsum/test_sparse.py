"""Files with holes: all four forms give the sum of the file as it is read."""

import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from core.digest.tarsum import MAX_FRAGMENTS, MAX_HOLE_BYTES
from core.errors import ArchiveInvalid, ArchiveTruncated
from tests.digest.tarsum.archives import (
    END,
    GNU,
    entry,
    header,
    padded,
    pax,
    sum_of,
    with_checksum,
)

__all__: list[str] = []

EXPANDED = bytes(1000) + b"data" + bytes(500) + b"more" + bytes(92)
FRAGMENTS = ((1000, 4), (1504, 4))
STORED = b"datamore"
SIZE = b"%d" % len(EXPANDED)


def gnu_header(
    fragments: tuple[tuple[int, int], ...], real: int, stored: int, *, is_extended: int = 0
) -> bytes:
    block = bytearray(header({"name": b"holes", "typeflag": b"S", "magic": GNU}, size=stored))
    block[386:482] = b"".join(b"%011o\0%011o\0" % pair for pair in fragments).ljust(96, b"\0")
    block[482] = is_extended
    block[483:495] = b"%011o\0" % real
    return with_checksum(block)


def extension(fragments: tuple[tuple[int, int], ...], *, is_extended: int = 0) -> bytes:
    pairs = b"".join(b"%011o\0%011o\0" % pair for pair in fragments).ljust(504, b"\0")
    return pairs + bytes([is_extended]) + bytes(7)


def sum_by_rule(
    name: str, content: bytes, typeflag: str, mode: int = 0o644, owner: str = ""
) -> str:
    """Return the sum of an archive with this one file, from what is hashed of it."""
    fields = (
        f"name{name}mode{mode}uid0gid0size{len(content)}typeflag{typeflag}linkname"
        f"uname{owner}gname{owner}devmajor0devminor0"
    )
    one = hashlib.sha256(fields.encode() + content).hexdigest()
    return hashlib.sha256(one.encode()).hexdigest()


PAIRS = tuple(
    (key, b"%d" % number)
    for pair in FRAGMENTS
    for key, number in zip((b"GNU.sparse.offset", b"GNU.sparse.numbytes"), pair, strict=True)
)
FORM_0_0 = pax((b"GNU.sparse.size", SIZE), (b"GNU.sparse.numblocks", b"2"), *PAIRS)
FORM_0_1 = pax(
    (b"GNU.sparse.size", SIZE),
    (b"GNU.sparse.numblocks", b"2"),
    (b"GNU.sparse.name", b"holes"),
    (b"GNU.sparse.map", b"1000,4,1504,4"),
)
FORM_1_0 = pax(
    (b"GNU.sparse.major", b"1"),
    (b"GNU.sparse.minor", b"0"),
    (b"GNU.sparse.name", b"holes"),
    (b"GNU.sparse.realsize", SIZE),
)
MAP_1_0 = padded(b"2\n1000\n4\n1504\n4\n")


def test_an_old_header_with_a_map_is_read_with_its_holes() -> None:
    archive = gnu_header(FRAGMENTS, len(EXPANDED), len(STORED)) + padded(STORED)
    assert sum_of(archive + END) == sum_by_rule("holes", EXPANDED, "S")


@pytest.mark.parametrize("flag", [1, ord("1"), 255])
def test_the_map_of_an_old_header_may_go_on_in_further_blocks(flag: int) -> None:
    count = 4 + 21 + 2
    fragments = tuple((1000 * index, 1) for index in range(count))
    content = b"".join(b"x".ljust(1000, b"\0") for _ in range(count))
    archive = (
        gnu_header(fragments[:4], len(content), count, is_extended=flag)
        + extension(fragments[4:25], is_extended=flag)
        + extension(fragments[25:])
        + padded(b"x" * count)
    )
    assert sum_of(archive + END) == sum_by_rule("holes", content, "S")


def test_the_map_of_an_old_header_ends_with_a_pair_of_zeros() -> None:
    archive = gnu_header(((0, 0), (1000, 4)), 1200, 0)
    assert sum_of(archive + END) == sum_by_rule("holes", bytes(1200), "S")


@pytest.mark.parametrize("records", [FORM_0_0, FORM_0_1])
def test_a_map_in_a_pax_header_is_read_with_its_holes(records: bytes) -> None:
    archive = records + entry(b"holes", STORED, magic=GNU)
    assert sum_of(archive + END) == sum_by_rule("holes", EXPANDED, "0")


def test_a_map_before_the_content_is_read_with_its_holes() -> None:
    archive = FORM_1_0 + entry(b"GNUSparseFile.1/holes", MAP_1_0 + STORED, magic=GNU)
    assert sum_of(archive + entry(b"z") + END) == sum_of(
        entry(b"holes", EXPANDED, magic=GNU) + entry(b"z") + END
    )


def test_a_long_map_before_the_content_crosses_blocks() -> None:
    count = 300
    lines = [count, *(number for index in range(count) for number in (10 * index, 1))]
    text = padded(b"".join(b"%d\n" % line for line in lines))
    content = b"".join(b"x" + bytes(9) for _ in range(count))
    head = FORM_1_0.replace(SIZE, b"%d" % len(content))
    archive = head + entry(b"h", text + b"x" * count, magic=GNU)
    assert sum_of(archive + END) == sum_of(entry(b"holes", content, magic=GNU) + END)


def test_what_the_archive_has_beyond_the_map_is_passed_over() -> None:
    more = STORED + b"x" * 600
    archive = gnu_header(FRAGMENTS, len(EXPANDED), len(more)) + padded(more)
    assert sum_of(archive + END) == sum_by_rule("holes", EXPANDED, "S")
    assert sum_of(archive + archive + END) != sum_of(archive + END)


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no tar")
@pytest.mark.parametrize("form", ["gnu", "0.0", "0.1", "1.0"])
def test_what_gnu_tar_writes_has_the_sum_of_the_file(tmp_path: Path, form: str) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        for index in range(12):
            file.seek(index * 65_536)
            file.write(b"%d" % index * 5000)
        file.truncate(900_000)
    options = ["--format=gnu"] if form == "gnu" else ["--format=posix", f"--sparse-version={form}"]
    command = ["tar", *options, "--sparse", "--owner=0", "--group=0", "--mtime=@0", "-cf", "-"]
    sparse = subprocess.run(
        [*command, "file"], cwd=tmp_path, check=True, capture_output=True
    ).stdout
    assert len(sparse) < path.stat().st_size
    with tarfile.open(fileobj=io.BytesIO(sparse)) as archive:
        member = archive.getmembers()[0]
        assert member.issparse()
        assert member.size == path.stat().st_size
    assert member.uname == member.gname
    assert sum_of(sparse) == sum_by_rule(
        "file", path.read_bytes(), "S" if form == "gnu" else "0", member.mode, member.uname
    )


BAD = [
    ("out of order", gnu_header(((1504, 4), (1000, 4)), len(EXPANDED), 8) + padded(STORED)),
    ("out of order", gnu_header(((0, 4), (2, 4)), len(EXPANDED), 8) + padded(STORED)),
    ("out of order", FORM_0_1.replace(b"1000,4,1504,4", b"100,4,1504,-4") + entry(b"h", STORED)),
    ("beyond its end", gnu_header(((1000, 4),), 1003, 4) + padded(b"data")),
    (
        "another size",
        pax((b"size", b"1")) + gnu_header(FRAGMENTS, len(EXPANDED), 8) + padded(STORED),
    ),
    ("another size", pax((b"size", b"9999")) + gnu_header(FRAGMENTS, len(EXPANDED), 8)),
    ("has less", gnu_header(((0, 9),), 9, 8) + padded(STORED)),
    ("zeros|holes", gnu_header((), MAX_HOLE_BYTES + 1, 0)),
    ("two maps", FORM_0_1 + gnu_header(FRAGMENTS, len(EXPANDED), 8) + padded(STORED)),
    (
        "fragments",
        pax((b"GNU.sparse.size", b"1"), (b"GNU.sparse.numblocks", b"65537")) + entry(b"h"),
    ),
    ("length", pax((b"GNU.sparse.size", b"0"), (b"GNU.sparse.numblocks", b"0")) + entry(b"h")),
    ("length", FORM_0_1.replace(b"1000,4,1504,4", b"1000,4,1504  ") + entry(b"h", STORED)),
    ("number", FORM_0_1.replace(b"1000,4,1504,4", b"1000,4,1504,x") + entry(b"h", STORED)),
    ("number", FORM_1_0 + entry(b"h", padded(b"x\n1000\n4\n") + STORED)),
    ("malformed", FORM_1_0 + entry(b"h", b"1" * 1024)),
    ("malformed", FORM_1_0 + entry(b"h", b"2\n1000\n4\n")),
    ("negative", FORM_1_0.replace(SIZE, b"-601"[:4]) + entry(b"h", MAP_1_0 + STORED)),
]


@pytest.mark.parametrize(("reason", "archive"), BAD)
def test_a_map_that_makes_no_file_is_refused(reason: str, archive: bytes) -> None:
    with pytest.raises(ArchiveInvalid, match=reason):
        sum_of(archive + END)


@pytest.mark.parametrize(
    "archive",
    [
        gnu_header(FRAGMENTS, len(EXPANDED), 8, is_extended=1),
        FORM_1_0 + entry(b"h", MAP_1_0 + STORED)[:700],
    ],
)
def test_the_beginning_of_a_map_has_no_sum_yet(archive: bytes) -> None:
    with pytest.raises(ArchiveTruncated, match="map of a sparse file"):
        sum_of(archive)


def test_a_map_with_too_many_fragments_is_refused() -> None:
    blocks = (MAX_FRAGMENTS - 4) // 21 + 2
    archive = gnu_header(((0, 1), (1, 1), (2, 1), (3, 1)), 10**7, 10**7, is_extended=1)
    archive += b"".join(
        extension(tuple((4 + 21 * block + place, 1) for place in range(21)), is_extended=1)
        for block in range(blocks)
    )
    with pytest.raises(ArchiveInvalid, match="fragments"):
        sum_of(archive)
