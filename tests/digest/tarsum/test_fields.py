"""How single fields of a header were read: where they end, and what they may hold."""

import hashlib

import pytest

from core.errors import ArchiveInvalid
from tests.digest.tarsum.archives import (
    END,
    GNU,
    V0,
    V1,
    entry,
    header,
    pax,
    sum_of,
    with_checksum,
)

__all__: list[str] = []

FIELDS = {
    "name": b"a",
    "mode": b"420",
    "uid": b"0",
    "gid": b"0",
    "size": b"0",
    "typeflag": b"0",
    "linkname": b"",
    "uname": b"",
    "gname": b"",
    "devmajor": b"0",
    "devminor": b"0",
}


def sum_with(**fields: bytes) -> str:
    """The sum of an archive with one entry without content, of which fields are others."""
    known = {**FIELDS, **fields}
    text = b"".join(name.encode() + value for name, value in known.items())
    one = hashlib.sha256(text).hexdigest()
    return hashlib.sha256(one.encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "length"), [("linkname", 100), ("uname", 32), ("gname", 32), ("name", 100)]
)
def test_a_text_may_fill_its_field(name: str, length: int) -> None:
    text = bytes(range(1, length + 1))
    assert sum_of(entry(**{"name": b"a", name: text}) + END) == sum_with(**{name: text})
    # What stands behind a NUL is no part of it.
    rest = text[:5] + b"\0" + text[6:]
    assert sum_of(entry(**{"name": b"a", name: rest}) + END) == sum_with(**{name: text[:5]})


def test_a_prefix_has_155_bytes_whatever_stands_at_the_end_of_the_block() -> None:
    prefix = b"p" * 155
    for magic, trailer in ((b"ustar\x0000", b""), (GNU, b""), (GNU, b"tar\0")):
        archive = entry(b"a", prefix=prefix, magic=magic, trailer=trailer) + END
        assert sum_of(archive) == sum_with(name=prefix + b"/a")


def test_the_magic_is_what_stands_before_its_version() -> None:
    for magic in (b"ustar\x0000", b"ustar\x00  ", b"ustar\x00\0\0", GNU):
        assert sum_of(entry(b"a", uname=b"u", magic=magic) + END) == sum_with(uname=b"u")
    for magic in (b"ustar  0", b"ustar   ", b"USTAR\x0000", bytes(8)):
        assert sum_of(entry(b"a", uname=b"u", magic=magic) + END) == sum_with()


@pytest.mark.parametrize("typeflag", [b"3", b"4", b"6", b"2", b"\0"])
def test_devices_alone_have_numbers(typeflag: bytes) -> None:
    numbers = {"devmajor": b"0000010\0", "devminor": b"0000003\0"}
    found = sum_of(entry(b"a", typeflag=typeflag, **numbers) + END)
    is_device = typeflag in {b"3", b"4"}
    expected = {"devmajor": b"8", "devminor": b"3"} if is_device else {}
    assert found == sum_with(typeflag=typeflag, **expected)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"\0 \x0012 \0 ", b"10"),
        (b"12\x0099 \0", b"10"),
        (b"00000012", b"10"),
        (b" \0 \0    ", b"0"),
        (b"12\0x    ", b"10"),
        (b"\x80\0\0\0\0\0\0\x0a", b"10"),
        (b"\xc0\0\0\0\0\0\0\x0a", b"4611686018427387914"),
    ],
)
def test_a_number_stands_between_spaces_and_nuls_or_is_binary(text: bytes, number: bytes) -> None:
    assert sum_of(entry(b"a", uid=text) + END) == sum_with(uid=number)


@pytest.mark.parametrize("text", [b"1 2", b"8", b"-1", b"+1", b"0x1", b"1_0", b"\x7f"])
def test_a_number_that_is_neither_is_refused(text: bytes) -> None:
    with pytest.raises(ArchiveInvalid, match="octal"):
        sum_of(entry(b"a", gid=text) + END)


def test_a_mode_has_up_to_seven_octal_digits() -> None:
    assert sum_of(entry(b"a", mode=b"7777777\0") + END) == sum_with(mode=b"2097151")
    for mode in (b"10000000", b"\x80\0\0\0\0\x20\0\0"):
        with pytest.raises(ArchiveInvalid, match="mode"):
            sum_of(entry(b"a", mode=mode) + END)


def test_a_time_before_1970_is_negative_where_it_is_binary() -> None:
    one, other = (
        sum_of(entry(b"a", mtime=mtime) + END, V0)
        for mtime in (b"\xff" * 12, b"\x80\0\0\0" + b"\xff" * 8)
    )
    text = b"".join(
        key.encode() + value + (b"mtime-1" if key == "size" else b"")
        for key, value in FIELDS.items()
    )
    entry_sum = hashlib.sha256(text).hexdigest()
    assert one == other == hashlib.sha256(entry_sum.encode()).hexdigest()


def test_a_checksum_of_either_kind_may_be_binary() -> None:
    for signed in (False, True):
        block = bytearray(header({"name": b"\xe9"}, signed=signed))
        total = int(block[148:154], 8)
        block[148:156] = b"\x80" + total.to_bytes(7)
        assert sum_of(bytes(block) + END) == sum_with(name=b"\xe9")


def test_a_checksum_that_is_one_off_is_refused() -> None:
    good = with_checksum(header({"name": b"a"}))
    for step in (-1, 1):
        block = good[:148] + b"%06o\0 " % (int(good[148:154], 8) + step) + good[156:]
        with pytest.raises(ArchiveInvalid, match="checksum"):
            sum_of(block + END)


@pytest.mark.parametrize("key", [b"atime", b"ctime", b"mtime", b"uid", b"gid", b"size"])
@pytest.mark.parametrize("value", [b"", b"1x", b"9" * 19, b"-" + b"9" * 19, b"0x1", b" 1"])
def test_a_record_that_holds_no_number_is_refused(key: bytes, value: bytes) -> None:
    with pytest.raises(ArchiveInvalid, match=r"number|time"):
        sum_of(pax((key, value)) + entry(b"a") + END)


@pytest.mark.parametrize(("value", "number"), [(b"-5", b"-5"), (b"+5", b"5"), (b"007", b"7")])
def test_a_number_in_a_record_is_decimal_and_has_a_sign(value: bytes, number: bytes) -> None:
    assert sum_of(pax((b"uid", value)) + entry(b"a") + END, V1) == sum_with(uid=number)


def test_long_names_count_before_records_and_for_entries_of_every_kind() -> None:
    names = {
        typeflag: [
            entry(b"././@LongLink", text + b"\0", typeflag=typeflag) for text in (b"one", b"two")
        ]
        for typeflag in (b"L", b"K")
    }
    records = pax((b"path", b"other"), (b"linkpath", b"other"))
    first = names[b"L"][0] + names[b"K"][0]
    expected = sum_with(name=b"one", linkname=b"one")
    for archive in (
        first + entry(b"a"),
        first + names[b"K"][1] + names[b"L"][1] + entry(b"a"),
        names[b"K"][0] + names[b"L"][0] + entry(b"a", linkname=b"b"),
        first + records + entry(b"a"),
    ):
        assert sum_of(archive + END) == expected
    # Without any data or hole, old GNU headers of sparse files have a name too.
    sparse = entry(b"a", typeflag=b"S", magic=GNU)
    assert sum_of(first + sparse + END) == sum_with(name=b"one", linkname=b"one", typeflag=b"S")


@pytest.mark.parametrize("typeflag", [b"L", b"K"])
def test_a_long_name_of_either_kind_belongs_to_something(typeflag: bytes) -> None:
    with pytest.raises(ArchiveInvalid, match="nothing"):
        sum_of(entry(b"x", b"long\0", typeflag=typeflag) + END)
