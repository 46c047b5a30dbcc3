"""What must hold of every archive: what is hashed is hashed to the last byte, and nothing else."""

import hashlib
import io
import tarfile
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from core.digest.tarsum import TarsumHasher
from core.errors import ArchiveInvalid, ArchiveTruncated
from tests.digest.tarsum.archives import END, V0, V1, entry, pax, record, sum_of, with_checksum
from tests.digest.tarsum.test_sparse import (
    EXPANDED,
    FORM_0_0,
    FORM_0_1,
    FORM_1_0,
    FRAGMENTS,
    MAP_1_0,
    STORED,
    extension,
    gnu_header,
)

__all__: list[str] = []

NAMES = st.text("abc/._é", min_size=1, max_size=12).map(str.encode)
CONTENTS = st.binary(max_size=1200)
FILES = st.lists(st.tuples(NAMES, CONTENTS), min_size=1, max_size=5, unique_by=lambda file: file[0])
Files = Sequence[tuple[bytes, bytes]]

HASHED = {
    "name": range(100),
    "mode": range(100, 107),
    "uid": range(108, 115),
    "gid": range(116, 123),
    "size": range(124, 135),
    "typeflag": range(156, 157),
    "linkname": range(157, 257),
    "uname": range(265, 297),
    "gname": range(297, 329),
    "prefix": range(345, 500),
}
"""Where a header has what is hashed of it, and no padding."""

NOT_HASHED = {"mtime": range(136, 147), "behind the prefix": range(500, 508)}


def archive_of(files: Files) -> bytes:
    return b"".join(entry(name, content) for name, content in files) + END


def sum_or_refusal(archive: bytes) -> str | None:
    try:
        return sum_of(archive)
    except (ArchiveInvalid, ArchiveTruncated):
        return None


@given(files=FILES, data=st.data())
def test_any_other_byte_of_any_content_makes_another_sum(files: Files, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(files) - 1))
    name, content = files[index]
    if not content:
        return
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= data.draw(st.integers(1, 255))
    others = [*files[:index], (name, bytes(changed)), *files[index + 1 :]]
    assert sum_of(archive_of(others)) != sum_of(archive_of(files))


@given(data=st.data(), field=st.sampled_from(sorted(HASHED)))
def test_any_other_byte_of_a_hashed_field_makes_another_sum_or_none(
    data: st.DataObject, field: str
) -> None:
    # Every text is as long as its field, so that each of its bytes counts.
    one = entry(
        b"n" * 100,
        b"content",
        linkname=b"l" * 100,
        uname=b"u" * 32,
        gname=b"g" * 32,
        prefix=b"p" * 155,
    )
    place = data.draw(st.sampled_from(HASHED[field]))
    block = bytearray(one[:512])
    block[place] ^= data.draw(st.integers(1, 255))
    changed = with_checksum(block) + one[512:]
    found = sum_or_refusal(changed + END)
    # A number may be written in several ways: a space for a leading zero, a NUL for what follows.
    if field in {"mode", "uid", "gid", "size"} and block[place] in b" \0":
        return
    assert found != sum_of(one + END)


@given(data=st.data(), field=st.sampled_from(sorted(NOT_HASHED)))
def test_no_byte_of_what_is_not_hashed_makes_another_sum(data: st.DataObject, field: str) -> None:
    one = entry(b"a.txt", b"hello\n", mtime=b"12334447000\0")
    place = data.draw(st.sampled_from(NOT_HASHED[field]))
    block = bytearray(one[:512])
    block[place] = data.draw(st.sampled_from(b"01234567"))
    assert sum_of(with_checksum(block) + one[512:]) == sum_of(one)


@given(archive=FILES.map(archive_of), place=st.integers(0, 511), flip=st.integers(1, 255))
def test_a_header_whose_checksum_is_not_renewed_is_refused(
    archive: bytes, place: int, flip: int
) -> None:
    if place in range(148, 156):
        return
    changed = bytearray(archive)
    changed[place] ^= flip
    # Only a sum of signed bytes could still be that of the header, and these are all ASCII or not.
    total = sum(archive[:512])
    if sum(changed[:512]) - total in {-256, 0, 256} or any(byte > 127 for byte in changed[:512]):
        return
    assert sum_or_refusal(bytes(changed)) is None


@given(
    attributes=st.dictionaries(
        st.text("ab.c", min_size=1, max_size=6).map(str.encode), st.binary(max_size=40), max_size=4
    )
)
def test_attributes_count_whatever_their_order_in_version_1_alone(
    attributes: dict[bytes, bytes],
) -> None:
    records = [(b"SCHILY.xattr." + name, value) for name, value in attributes.items()]
    one = entry(b"a", b"content")
    forwards, backwards = pax(*records) + one, pax(*reversed(records)) + one
    assert sum_of(forwards, V1) == sum_of(backwards, V1)
    assert sum_of(forwards, V0) == sum_of(one, V0)
    assert (sum_of(forwards, V1) == sum_of(one, V1)) == (not attributes)


@given(files=FILES, data=st.data())
def test_the_order_of_entries_with_different_names_does_not_count(
    files: Files, data: st.DataObject
) -> None:
    names = {name.removeprefix(b"./").removesuffix(b"/") for name, _ in files}
    if len(names) < len(files):
        return
    shuffled = data.draw(st.permutations(files))
    assert sum_of(archive_of(shuffled)) == sum_of(archive_of(files))


@given(files=FILES, pieces=st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_the_sum_of_pieces_is_that_of_the_whole(files: Files, pieces: Sequence[int]) -> None:
    archive = archive_of(files)
    hasher, start, turn = TarsumHasher(), 0, 0
    while start < len(archive):
        size = pieces[turn % len(pieces)]
        hasher.update(archive[start : start + size])
        start, turn = start + size, turn + 1
    assert hasher.hexdigest() == sum_of(archive)


@given(
    files=st.lists(
        st.tuples(st.text("abcé", min_size=1, max_size=300), CONTENTS),
        max_size=6,
        unique_by=lambda file: file[0],
    ),
    form=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_the_archives_of_another_program_have_the_sum_that_the_rule_gives(
    files: Sequence[tuple[str, bytes]], form: int
) -> None:
    output, sums = io.BytesIO(), []
    with tarfile.open(fileobj=output, mode="w", format=form) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name if form != tarfile.USTAR_FORMAT else name[:50])
            info.size, info.uid, info.uname = len(content), 1000, "user"
            archive.addfile(info, io.BytesIO(content))
            fields = (
                f"name{info.name}mode420uid1000gid0size{info.size}"
                "typeflag0linknameunameusergnamedevmajor0devminor0"
            )
            sums.append(hashlib.sha256(fields.encode() + content).hexdigest())
    if len({name[:50] for name, _ in files}) == len(files) or form != tarfile.USTAR_FORMAT:
        expected = hashlib.sha256("".join(sorted(sums)).encode()).hexdigest()
        assert sum_of(output.getvalue()) == expected


@given(content=st.binary(max_size=3000))
def test_any_bytes_have_a_sum_or_are_refused(content: bytes) -> None:
    sum_or_refusal(content)


@given(good=st.sampled_from([b"", record(b"path", b"a"), record(b"uid", b"1")]), more=st.binary())
def test_any_records_of_a_header_are_read_or_refused(good: bytes, more: bytes) -> None:
    sum_or_refusal(entry(b"x", good + more, typeflag=b"x") + entry(b"a") + END)


@given(block=st.binary(min_size=512, max_size=512), rest=st.binary(max_size=1600))
def test_any_header_with_a_right_checksum_is_read_or_refused(block: bytes, rest: bytes) -> None:
    sum_or_refusal(with_checksum(block) + rest)


STRANGE = [
    pax((b"path", b"p" * 200), (b"size", b"5"), (b"SCHILY.xattr.user.a", b"1"))
    + entry(b"a", b"12345"),
    entry(b"L", b"long\0", typeflag=b"L") + entry(b"K", b"link\0", typeflag=b"K") + entry(b"a"),
    FORM_0_0 + entry(b"h", STORED),
    FORM_0_1 + entry(b"h", STORED),
    FORM_1_0 + entry(b"h", MAP_1_0 + STORED),
    gnu_header(FRAGMENTS, len(EXPANDED), len(STORED), is_extended=True)
    + extension(())
    + entry(b"", STORED),
]
BYTES = st.one_of(st.integers(0, 255), st.sampled_from(b"\x00\x80\xff19xLKSg =,\n"))


@given(
    archive=st.sampled_from(STRANGE),
    changes=st.lists(st.tuples(st.integers(0, 4095), BYTES), min_size=1, max_size=4),
)
def test_any_change_of_a_strange_archive_is_read_or_refused(
    archive: bytes, changes: Sequence[tuple[int, int]]
) -> None:
    changed = bytearray(archive + END)
    for place, value in changes:
        changed[place % len(archive)] = value
    for start in range(0, len(archive), 512):
        if archive[start + 257 : start + 262] == b"ustar":
            changed[start : start + 512] = with_checksum(changed[start : start + 512])
    sum_or_refusal(bytes(changed))
