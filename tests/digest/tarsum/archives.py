"""Archives written byte by byte, so that they can be what no program would write."""

import hashlib
from collections.abc import Mapping

from core.digest.tarsum import TarsumHasher, TarsumVersion

__all__ = ["END", "V0", "V1", "entry", "header", "padded", "pax", "record", "sum_of"]

V0, V1 = TarsumVersion.V0, TarsumVersion.V1
END = bytes(1024)
POSIX = b"ustar\x0000"
GNU = b"ustar  \0"
_CHECKSUM = slice(148, 156)
_OFFSETS = {
    "name": 0,
    "mode": 100,
    "uid": 108,
    "gid": 116,
    "size": 124,
    "mtime": 136,
    "typeflag": 156,
    "linkname": 157,
    "magic": 257,
    "uname": 265,
    "gname": 297,
    "devmajor": 329,
    "devminor": 337,
    "prefix": 345,
    "trailer": 508,
}


def header(fields: Mapping[str, bytes] = {}, *, size: int = 0, signed: bool = False) -> bytes:
    """Return one header of a file with mode 644, with a right checksum; `fields` replace others."""
    block = bytearray(512)
    defaults = {
        "mode": b"0000644\0",
        "uid": b"0000000\0",
        "gid": b"0000000\0",
        "size": b"%011o\0" % size,
        "mtime": b"00000000000\0",
        "typeflag": b"0",
        "magic": POSIX,
    }
    for name, value in {**defaults, **fields}.items():
        block[_OFFSETS[name] : _OFFSETS[name] + len(value)] = value
    return with_checksum(block, signed=signed)


def with_checksum(block: bytes | bytearray, *, signed: bool = False) -> bytes:
    """Return a header with the checksum that it should have."""
    block = bytearray(block)
    block[_CHECKSUM] = b" " * 8
    total = sum(block) - (256 * sum(byte > 127 for byte in block) if signed else 0)
    block[_CHECKSUM] = b"%06o\0 " % total
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def entry(name: bytes, content: bytes = b"", **fields: bytes) -> bytes:
    return header({"name": name, **fields}, size=len(content)) + padded(content)


def record(key: bytes, value: bytes) -> bytes:
    """Return a record of a PAX header, which begins with its own length."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return b"%d" % length + rest


def pax(*records: tuple[bytes, bytes], typeflag: bytes = b"x") -> bytes:
    content = b"".join(record(key, value) for key, value in records)
    return entry(b"PaxHeaders.1/x", content, typeflag=typeflag)


def sum_of(
    archive: bytes, version: TarsumVersion = V1, hash_name: str = "sha256", extra: bytes = b""
) -> str:
    hasher = TarsumHasher(version, lambda: hashlib.new(hash_name), extra)
    hasher.update(archive)
    return hasher.hexdigest()
