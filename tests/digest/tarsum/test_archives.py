"""What the library of the time made of archives like these, each built here byte by byte.

The sums are facts: its test suite states them, or the package itself, built from source, gave them.
"""

import hashlib

import pytest

from core.digest.tarsum import TarsumHasher
from core.errors import ArchiveInvalid, ArchiveTruncated
from tests.digest.tarsum.archives import (
    END,
    GNU,
    V0,
    V1,
    entry,
    header,
    padded,
    pax,
    record,
    sum_of,
)

__all__: list[str] = []

# What it is, the archive, its sum of version 0 and of version 1.
SUMMED = [
    (
        "no-trailer",
        entry(b"a.txt", b"hello\n"),
        "4fad87bc4229520e1dd8c2a2c4a7e51c4aa35e4de0a40794084a40b7f7c28977",
        "9cc6f97c6d28b3d02011cde70ea30b3f72c50f8fcf948f1de3e0e314c73755bd",
    ),
    (
        "cut-in-padding",
        entry(b"a.txt", b"hello\n")[:700],
        "4fad87bc4229520e1dd8c2a2c4a7e51c4aa35e4de0a40794084a40b7f7c28977",
        "9cc6f97c6d28b3d02011cde70ea30b3f72c50f8fcf948f1de3e0e314c73755bd",
    ),
    (
        "zero-bytes",
        b"",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    (
        "two-zero-blocks",
        END,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    (
        "zero-10k",
        bytes(10240),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    (
        "b256-ids",
        header(
            {
                "name": b"big",
                "uid": b"\x80\0\0\0\0\x2d\xc6\xc0",
                "gid": b"\x80\0\1\0\0\0\0\0",
                "mtime": b"\x80\0\0\0\0\0\0\2\0\0\0\0",
            },
            size=1,
        )
        + padded(b"1")
        + END,
        "41d8a4eb7b76874e2379bd887ecf2af3bdf32a78c049fe67b2fbf070d192c618",
        "a6139e8832020b03ee15a398fba9060122fa7a78a4d037a649bc545e51859965",
    ),
    (
        "b256-negative-uid",
        entry(b"neg", b"1", uid=b"\xff\xff\xff\xff\xff\xff\xff\xfe") + END,
        "5d604eb4ef64cb187a585663421083b991942170bdefb3eea8a3134fed307fa7",
        "cf6643eec93c25266b6f50d99648602dda7a72abf63ca1a4bab3f5c8a498ab3a",
    ),
    (
        "devices",
        entry(
            b"dev/null",
            mode=b"0000666\0",
            typeflag=b"3",
            devmajor=b"0000001\0",
            devminor=b"0000003\0",
        )
        + entry(
            b"dev/sda",
            mode=b"0000660\0",
            typeflag=b"4",
            gname=b"disk",
            devmajor=b"0000010\0",
            devminor=b"0000000\0",
        )
        + entry(b"fifo", typeflag=b"6")
        + END,
        "a687ce56fed2a7dfc144d5c60df1755b929418e6612c53b13ee82b1680d6d20d",
        "0dd2cfe92a8426458ac6ce9bd829f6a78e135c0fd45e23370c6e56cf96e2b77f",
    ),
    (
        "dir-dot",
        entry(b"./", mode=b"0000755\0", typeflag=b"5") + entry(b"./a", b"1") + END,
        "edc8c81ddfbc56ea0ce48227e00b83f40e0c647977f3ccdef409f16ad6c02eab",
        "d964578155c7bebcbe738554a3753ee4d1552f456dc52eb6fde2c250a3f6fa84",
    ),
    (
        "dir-slash",
        entry(b"d/", mode=b"0000755\0", typeflag=b"5") + END,
        "4ec0b46ca9959a87e1a6abf3e6513b08c1c4336f24a5890ffbd26bf43feb9e48",
        "d5b419711a3d3c299b67c0fbd82d3b458f53c2324528c7bd130a4f3574fb2f4d",
    ),
    (
        "dir-with-size",
        entry(b"d/", b"12345", typeflag=b"5") + entry(b"z", b"end") + END,
        "e0bc0418bb3355e823c774c1541235fbebdafdaf5e1ffdfa10437154fa5962fd",
        "c11442b75b55cc40a05cb7e1f7d0a38528cf275408b50650344914af4c8a95ab",
    ),
    (
        "dup-b-then-a",
        entry(b"x", b"second") + entry(b"x", b"first") + entry(b"other", b"o") + END,
        "bef336d36cdbf3fe8d27b6b97a66e42acbecdcae0a79d7f65cea11870dd5807b",
        "a6699d5164dbfc9292dcdf6cdb16f72355b76dac08f019954b5c493a8df70861",
    ),
    (
        "dup-cleaned-rev",
        entry(b"x", b"second") + entry(b"./x", b"first") + END,
        "a87c55f71ac053fc853fa059eec91415b574b9cd855fe3706e6e10663bf61eae",
        "8131dd7edb779c6f537e3c8a0dcb9ea5b8059e4a7bf5a4144f10ab4ae624e25b",
    ),
    (
        "dup-seven",
        b"".join(entry(b"n%d" % (i % 3), b"body %d" % i) for i in range(7)) + END,
        "9c96c03e7a68fe10d6577c00bd29f645d2aafa16b5ff6eeb1326420d67aa6e67",
        "01ad2701b161857cef80d9b0c25b77c6215f5d116a89563bddb135ffc46a4645",
    ),
    (
        "dup-triple-mixed",
        b"".join(entry(bytes([c]), b"%d" % i) for i, c in enumerate(b"pqprpq", 1)) + END,
        "17b89daef9725bb9f5a4eaa4d780f92cd0ba470f76c283a797bee98629946dd8",
        "ef4a0430583e256caa7e8661dec1a10733f6646fc103a1347aca25f33b93327a",
    ),
    (
        "gnu-longlink",
        entry(b"././@LongLink", b"t" * 150 + b"\0", typeflag=b"K", magic=GNU)
        + entry(b"././@LongLink", b"l" * 130 + b"\0", typeflag=b"L", magic=GNU)
        + entry(b"l" * 100, typeflag=b"2", linkname=b"t" * 100, magic=GNU)
        + END,
        "07035a83689df0039639f95e30e9aa0bc7886009a93b94c0a3e3cb96c54d7f26",
        "4dd6c5c8da088e5bc019b1ebef4fa9d69e1c9867a9d3518c61a5a92cc012531f",
    ),
    (
        "hardlink-body",
        entry(b"a", b"data")
        + entry(b"hard", b"data", typeflag=b"1", linkname=b"a")
        + entry(b"z", b"end")
        + END,
        "4e1855a177ec1b4da5daf8cc54cbdfd65220e7c01ad91ae3600e45c8817c5f51",
        "d18413160807b8ff1072aada4fc31da47d60c681689f86da50a64515d6db73a6",
    ),
    (
        "links",
        entry(b"a", b"data")
        + entry(b"hard", typeflag=b"1", linkname=b"a")
        + entry(b"sym", mode=b"0000777\0", typeflag=b"2", linkname=b"../a")
        + END,
        "0dec93a93a2acadff5d7f7a0e64bbe3edce945e4f50f6676c5ad95527aa62b1c",
        "1601026ac65867868fd84951c301724df312991680cb4b40f3db5bd23cad2060",
    ),
    (
        "iter-another",
        entry(
            b"another.txt",
            b"test",
            mode=b"0000000\0",
            uid=b"0001750\0",
            gid=b"0001750\0",
            uname=b"slartibartfast",
            gname=b"users",
        )
        + END,
        None,
        "b38166c059e11fb77bef30bf16fba7584446e80fcc156ff46d47e36c5305d8ef",
    ),
    (
        "iter-xattrs",
        pax((b"SCHILY.xattr.user.key1", b"value1"), (b"SCHILY.xattr.user.key2", b"value2"))
        + entry(
            b"xattrs.txt",
            b"test",
            mode=b"0000000\0",
            uid=b"0001750\0",
            gid=b"0001750\0",
            uname=b"slartibartfast",
            gname=b"users",
        )
        + END,
        None,
        "4cc2e71ac5d31833ab2be9b4f7842a14ce595ec96a37af4ed08f87bc374228cd",
    ),
    (
        "mtime-1",
        entry(b"dir/a", b"AAA", mtime=b"12334447000\0")
        + entry(b"dir/b", b"BBB", mtime=b"12334447000\0")
        + END,
        "1c9215a7fff12078e3ccf207d91bca3d90f92d7e13c46f2b16addc822b968caa",
        "269d361b8dec3fdd1f736fe6ba734e532062f316c69d8bcadb0752f1c2d483a6",
    ),
    (
        "mtime-2",
        entry(b"dir/a", b"AAA", mtime=b"13132027400\0")
        + entry(b"dir/b", b"BBB", mtime=b"13132027400\0")
        + END,
        "d30f4ac7b93caa981c7e8ba22b43005f0c9e3533af40703d9454512bbc62539c",
        "269d361b8dec3fdd1f736fe6ba734e532062f316c69d8bcadb0752f1c2d483a6",
    ),
    (
        "order-reversed",
        entry(b"dir/b", b"BBB", mtime=b"12334447000\0")
        + entry(b"dir/a", b"AAA", mtime=b"12334447000\0")
        + END,
        "1c9215a7fff12078e3ccf207d91bca3d90f92d7e13c46f2b16addc822b968caa",
        "269d361b8dec3fdd1f736fe6ba734e532062f316c69d8bcadb0752f1c2d483a6",
    ),
    (
        "octal-spaces",
        header({"name": b"sp", "mode": b"   644 \0", "uid": b"     1 \0", "gid": bytes(8)}, size=1)
        + padded(b"1")
        + END,
        "5b010e5e75117ecaf493dbc09c41f48a96c15283952883271394a3bf77b83ec8",
        "69a7322ce3c9e19d8bdaf931ced79586df68dd37b859450e980aa8ad278660ac",
    ),
    (
        "pax-global",
        entry(b"pax_global_header", record(b"comment", b"0123456789abcdef"), typeflag=b"g")
        + entry(b"a", b"1")
        + END,
        "9b240319a4f2d24dada3826de84341a91e1cc22020d607b932baee4406899f65",
        "8c6ea47ee2ddbef04ff7eb0be146ec61446e84b46ffa271859b392a98e2f7a0a",
    ),
    (
        "pax-numbers",
        pax(
            (b"uid", b"4000000000"),
            (b"gid", b"77"),
            (b"size", b"3"),
            (b"linkpath", b"t"),
            (b"gname", b"grp"),
        )
        + entry(b"n", b"abc", uid=b"0000001\0", gid=b"0000002\0")
        + END,
        "e969af4a1ecf707c85fee556618783cd8236dd3544c39e3edf0927172d67f964",
        "7a107c0895619f8e94b93d2b65b11650876503ffc2cf7bb8d31eae7085390028",
    ),
    (
        "pax-then-gnulong",
        pax((b"uname", b"who"))
        + entry(b"././@LongLink", b"l" * 120 + b"\0", typeflag=b"L", magic=GNU)
        + entry(b"l" * 100, b"1")
        + END,
        "0d0794d97df50b6e36f7d245eb4e2331009b669079b563221b1997e3920747e9",
        "b74e60a934a32e2058e18f84f6af045139c6f21eb202a0549078503eed262823",
    ),
    (
        "pax-unicode",
        pax((b"path", "grüße/日本.txt".encode()), (b"uname", "jörg".encode()))
        + entry(b"gr__e/__.txt", b"u", uname=b"j_rg")
        + END,
        "5907de8c900febb5e26374c2c4d0bfc6577becf5a256b12aa3994d373eb76dc6",
        "287b6eeaa42d3de673d36e252e47a6054754695ce69813cd02becc19df3e948a",
    ),
    (
        "pax-xattr",
        pax(
            (b"SCHILY.xattr.user.b", b"2"),
            (b"SCHILY.xattr.user.a", b"1"),
            (b"SCHILY.xattr.security.capability", b"\1\0\0\2\0 \0\0"),
        )
        + entry(b"bin", b"x")
        + END,
        "5d522208aa55a44a9e0fc7c3aa85f05e3fc828c4e79b12c016112999805d21a4",
        "d71c09cced34f9950b20bd9698bba6f8770e8df25f706ffafc9c4b6bc7938aa8",
    ),
    (
        "raw-latin1-name",
        entry("grüße.txt".encode("latin-1"), b"u") + END,
        "af331e2c5506ad19ab17e6bc3b801ec2a0cb6f1a55ef6df0c867b0b67f768bd1",
        "c13eb05e0d25e0b1771550af41b635379bcc3455a19d2fed7e97c5aab3f83efc",
    ),
    (
        "raw-utf8-name",
        entry("grüße.txt".encode(), b"u") + END,
        "a72ab8ae342b19884e8c199a834a56911c0f19bb9ca564eea1df9efe3031605d",
        "123477459f0116b92a0a6cfa7823926034e92adf779cec6dbaa452cc62c83a4e",
    ),
    (
        "signed-checksum",
        header({"name": "café".encode()}, signed=True) + END,
        "a86ef408175d2a8606ea43646707255ef017fd46bafee18df3900bfb7f4bac24",
        "bfbf3d040f127bb68e3e758fc86b1a8034bc72b5e11750dec1f8567158db4289",
    ),
    (
        "star-times",
        entry(b"s.txt", b"s", prefix=b"pre", trailer=b"tar\0") + END,
        "3413215b7fcd38986ceac13a4ff1ddc2a8d6a4c0ba828b26c93e1ce32cb16e07",
        "c65eb5ebb1922ae4a4ff4903d2eecd03b43e0065ec71311fc652f28facd1d5f6",
    ),
    (
        "unknown-type",
        entry(b"u", b"1", typeflag=b"Z") + END,
        "e2000361009add98e73708fe40f5b2913683da7555cc6b883b7ecbb303d91838",
        "7a059c95224b011cbd92044d4a44d4b95ae15a5d3b12348eba28e098f4133588",
    ),
    (
        "v7",
        entry(b"old", b"v7 data", typeflag=b"\0", magic=bytes(8)) + END,
        "b67bec050f6eee42259a64388a68f45f9c483f8a9174243f11ec83b211c29cb2",
        "639eeb202dcd8398e27b8f93672de4d53c07ac85889e1aed06cbcd94c663e884",
    ),
    (
        "v7-owner-ignored",
        entry(b"old", b"v7 data", magic=bytes(8), uname=b"root", gname=b"root", prefix=b"pre")
        + END,
        "b66e62cb63d1c4d1a92ff29376c75528fa2599046a9d4c6ae48231f32b0eea14",
        "f3f912a216708f91d9cbd4b4f3a4ad52608de4ff721606dadb9dc3ece7dfa6eb",
    ),
]

ONE = entry(b"a.txt", b"hello\n")

# What it is, the archive, and a word of what is said of it.
REFUSED = [
    ("a wrong checksum", bytes([ONE[0] + 1]) + ONE[1:] + END, "checksum"),
    ("a digit that is not octal", entry(b"bad", b"1", uid=b"00x0001\0") + END, "octal"),
    ("a mode of eight octal digits", entry(b"m", b"1", mode=b"\x80\0\0\0\x40\0\0\0") + END, "mode"),
    ("a negative size", entry(b"n", size=b"\xff" * 12) + END, "negative"),
    ("no archive", b"{}" * 300, "checksum"),
    ("what gzip writes", b"\x1f\x8b\x08" + bytes(600), "gzip"),
    ("zeros and then more", ONE + bytes(512) + ONE, "zeros"),
    ("another size in PAX", pax((b"size", b"7")) + ONE + END, "another size"),
    ("a number in PAX that is none", pax((b"uid", b"7x")) + ONE + END, "number"),
    ("a number in PAX past 64 bits", pax((b"gid", b"9" * 20)) + ONE + END, "number"),
    ("a time in PAX that is none", pax((b"atime", b"1.x")) + ONE + END, "time"),
    ("a record without a length", entry(b"x", b"path=a\n", typeflag=b"x") + ONE + END, "length"),
    ("a second record without a length", entry(b"x", b"9 path=a\n\0", typeflag=b"x"), "length"),
    ("a record past the end", entry(b"x", b"99 path=a\n", typeflag=b"x") + ONE + END, "length"),
    ("a record without a value", entry(b"x", b"8 path \n", typeflag=b"x") + ONE + END, "value"),
    ("a PAX header before nothing", pax((b"uid", b"1")) + END, "nothing"),
    ("a long name before nothing", entry(b"L", b"long\0", typeflag=b"L") + END, "nothing"),
]

# How much of an archive has come, and where that ends.
CUT = [
    (entry(b"a.txt", b"hello\n" * 50)[:600], "inside the content"),
    ((ONE + ONE)[:1324], "inside a header"),
    (ONE + bytes(700), "inside its last block"),
    (pax((b"uid", b"1")), "what it belongs to"),
    (pax((b"uid", b"1"))[:520], "belongs to a header"),
    (pax((b"uid", b"1"))[:700], "belongs to a header"),
    (entry(b"L", b"long\0", typeflag=b"L"), "what it belongs to"),
    (b"\x1f\x8b", "inside a header"),
]

MADE = entry(b"/testdata0", bytes(1024 * 1024), mode=b"0000755\0", typeflag=b"\0") + END
"""The archive with which the test suite of the time goes through hashes."""

MADE_SUMS = {
    "md5": "0d7529ec7a8360155b48134b8e599f53",
    "sha1": "f1fee39c5925807ff75ef1925e7a23be444ba4df",
    "sha224": "6319390c0b061d639085d8748b14cd55f697cf9313805218b21cf61c",
    "sha256": "8bf12d7e67c51ee2e8306cba569398b1b9f419969521a12ffb9d8875e8836738",
    "sha384": (
        "a578ce3ce29a2ae03b8ed7c26f47d0f75b4fc849557c62454be4b5ffd66ba021"
        "e713b48ce71e947b43aab57afd5a7636"
    ),
    "sha512": (
        "e9bfb90ca5a4dfc93c46ee061a5cf9837de6d2fdf82544d6460d3147290aecfa"
        "bf7b5e415b9b6e72db9b8941f149d5d69fb17a394cbfaf2eac523bd9eae21855"
    ),
}


@pytest.mark.parametrize(
    ("archive", "v0", "v1"), [case[1:] for case in SUMMED], ids=[case[0] for case in SUMMED]
)
def test_an_archive_has_the_sums_that_it_had_then(
    archive: bytes, v0: str | None, v1: str | None
) -> None:
    assert v0 is None or sum_of(archive, V0) == v0
    assert v1 is None or sum_of(archive, V1) == v1


@pytest.mark.parametrize(("hash_name", "expected"), MADE_SUMS.items())
def test_every_hash_gives_the_sum_that_it_gave_then(hash_name: str, expected: str) -> None:
    assert sum_of(MADE, V0, hash_name) == expected


@pytest.mark.parametrize(
    ("archive", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_was_refused_then_is_refused_with_a_reason(archive: bytes, reason: str) -> None:
    with pytest.raises(ArchiveInvalid, match=reason):
        sum_of(archive)


@pytest.mark.parametrize(("beginning", "place"), CUT)
def test_the_beginning_of_an_archive_has_no_sum_yet(beginning: bytes, place: str) -> None:
    with pytest.raises(ArchiveTruncated, match=place):
        sum_of(beginning)


def test_what_ends_too_early_may_go_on() -> None:
    hasher = TarsumHasher()
    hasher.update(ONE[:600])
    whole = hasher.hexdigest()
    hasher.update(ONE[600:] + ONE[:300])
    with pytest.raises(ArchiveTruncated):
        hasher.hexdigest()
    hasher.update(ONE[300:] + END)
    assert hasher.hexdigest() == sum_of(ONE + ONE + END)
    assert whole == sum_of(ONE)


@pytest.mark.parametrize("size", [1, 511, 513, 1000])
def test_the_sum_does_not_depend_on_the_pieces(size: int) -> None:
    for _, archive, v0, _ in SUMMED:
        hasher = TarsumHasher(V0)
        for start in range(0, len(archive), size):
            hasher.update(archive[start : start + size])
        assert v0 is None or hasher.hexdigest() == v0


def test_what_stands_behind_the_end_does_not_count() -> None:
    assert sum_of(ONE + END + b"anything") == sum_of(ONE + END) == sum_of(ONE)


def test_an_attribute_without_a_name_counts_once_for_each_attribute_and_once_more() -> None:
    archive = pax((b"SCHILY.xattr.", b"v"), (b"SCHILY.xattr.user.a", b"1")) + ONE
    fields = b"namea.txtmode420uid0gid0size6typeflag0linknameunamegnamedevmajor0devminor0"
    one = hashlib.sha256(fields + b"vvv" + b"user.a1" + b"hello\n").hexdigest()
    assert sum_of(archive) == hashlib.sha256(one.encode()).hexdigest()


@pytest.mark.parametrize("numbers", [b"0000001\0", b"no digit"])
def test_device_numbers_of_what_is_no_device_do_not_count(numbers: bytes) -> None:
    archive = entry(b"a.txt", b"hello\n", devmajor=numbers, devminor=numbers)
    assert sum_of(archive) == sum_of(ONE)
    with pytest.raises(ArchiveInvalid):
        sum_of(entry(b"a.txt", b"hello\n", devmajor=b"no digit", typeflag=b"3"))


def test_behind_a_prefix_of_131_bytes_there_may_be_times() -> None:
    long = b"p" * 131
    same = entry(b"a.txt", b"hello\n", prefix=long)
    star = {"prefix": long + b"12334447000\0" * 2, "trailer": b"tar\0"}
    assert sum_of(entry(b"a.txt", b"hello\n", **star)) == sum_of(same)
    for times in (b"no time", b"12334447000\0" + b"no time"):
        with pytest.raises(ArchiveInvalid, match="octal"):
            sum_of(entry(b"a.txt", **{**star, "prefix": long + times}))


def test_other_records_with_attributes_do_not_count() -> None:
    for key in (b"LIBARCHIVE.xattr.user.a", b"SCHILY.acl.access", b"comment"):
        assert sum_of(pax((key, b"1")) + ONE) == sum_of(ONE)


def test_the_fraction_of_a_time_does_not_count() -> None:
    whole, more = (pax((b"mtime", value)) + ONE for value in (b"12", b"12.987654321012"))
    assert sum_of(more, V0) == sum_of(whole, V0)
    assert sum_of(whole, V0) != sum_of(ONE, V0)


def test_a_mode_of_many_digits_counts_only_in_an_entry_itself() -> None:
    mode = b"\x80\0\0\0\x40\0\0\0"
    content = record(b"uname", b"who")
    one, other = (
        sum_of(entry(b"x", content, typeflag=b"x", mode=mode) + ONE)
        for mode in (b"0000644\0", mode)
    )
    assert one == other
    with pytest.raises(ArchiveInvalid, match="mode"):
        sum_of(pax((b"uname", b"who")) + entry(b"a.txt", mode=mode))


def test_of_two_long_names_the_first_counts() -> None:
    first, second = (entry(b"L", name + b"\0", typeflag=b"L") for name in (b"first", b"second"))
    named = entry(b"first", b"hello\n")
    assert sum_of(first + second + ONE) == sum_of(named)
