"""`ArchiveReader`: the entries of an archive that comes in pieces, each piece read once.

It reads as the tar reader of the registries of the time did, which differs from others: a global
PAX header is an entry, a PAX header belongs to whatever header comes next, entries of every type
have content if their size says so, and what stands behind the two blocks of zeros is not read.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Protocol

from core.digest.tarsum.entry import BLOCK_BYTES, Entry, check_writable, parse_entry, until_nul
from core.digest.tarsum.extended import apply_records, parse_decimal, parse_records
from core.digest.tarsum.sparse import (
    Fragment,
    SparseMap,
    apply_sparse_records,
    find_sparse_form,
    parse_extension_block,
    parse_gnu_header,
    parse_listed_map,
)
from core.errors import ArchiveInvalid, ArchiveTruncated

__all__ = ["MAX_EXTENSION_BYTES", "MAX_HOLE_BYTES", "ArchiveReader", "EntrySink"]

MAX_EXTENSION_BYTES = 1024 * 1024
"""The most that one PAX header, or one long name, may hold: it is kept in memory."""

MAX_HOLE_BYTES = 256 * 1024 * 1024
"""The most zeros that all holes of an archive may stand for: they cost the sender nothing."""

_ZERO_BLOCK = bytes(BLOCK_BYTES)
_HOLE = bytes(64 * 1024)
_MAX_LINE_BYTES = 64

_EXTENDED, _LONG_NAME, _LONG_LINK, _SPARSE = b"x", b"L", b"K", b"S"

Reading = Generator[int, memoryview, None]
"""Yields how many bytes it takes at most, and is sent that many or fewer, but not none."""

_ReadingBlock = Generator[int, memoryview, bytes]
_ReadingEntry = Generator[int, memoryview, tuple[Entry, Sequence[Fragment] | None] | None]
_ReadingMap = Generator[int, memoryview, tuple[Entry, Sequence[Fragment] | None]]


class EntrySink(Protocol):
    """What is told of the entries, one after the other."""

    def begin(self, entry: Entry) -> None:
        """Start an entry."""

    def add(self, content: bytes | memoryview) -> None:
        """Take in the next bytes of its content."""

    def end(self) -> None:
        """End it."""


class ArchiveReader:
    """Tells a sink of the entries of an archive.

    In memory there are, at any time, one PAX header and two long names of `MAX_EXTENSION_BYTES`
    each, or one sparse map of `MAX_FRAGMENTS`.
    """

    def __init__(self, sink: EntrySink) -> None:
        self._sink = sink
        self._hole_bytes = 0
        self._cut: str | None = None
        self._reading: Reading | None = self._read()
        self._wanted = next(self._reading)

    def feed(self, content: memoryview) -> None:
        """Read the next piece of the archive.

        Raises:
            ArchiveInvalid: there is no such archive, whatever follows. Nothing more may be fed.
        """
        while content and self._reading is not None:
            piece, content = content[: self._wanted], content[self._wanted :]
            try:
                self._wanted = self._reading.send(piece)
            except StopIteration:
                self._reading = None

    def check_end(self) -> None:
        """Return if the archive may end with what was fed so far.

        Raises:
            ArchiveTruncated: more must follow.
        """
        if self._cut is not None:
            raise ArchiveTruncated(self._cut)

    def _read(self) -> Reading:
        while (found := (yield from self._read_entry())) is not None:
            entry, fragments = found
            check_writable(entry)
            self._sink.begin(entry)
            if fragments is None:
                yield from self._read_content(entry.stored_bytes)
                rest = 0
            else:
                rest = yield from self._read_fragments(entry, fragments)
            self._sink.end()
            yield from self._skip(rest + -entry.stored_bytes % BLOCK_BYTES)

    def _read_entry(self) -> _ReadingEntry:
        """Return the next entry and its fragments, if it is sparse, or None at the end."""
        name: bytes | None = None
        linkname: bytes | None = None
        while True:
            block = yield from self._read_header(is_due=name is not None or linkname is not None)
            if block is None:
                return None
            entry = parse_entry(block)
            # Of several long names, the first counts.
            if entry.typeflag == _LONG_NAME:
                text = until_nul((yield from self._read_extension(entry)))
                name = text if name is None else name
            elif entry.typeflag == _LONG_LINK:
                text = until_nul((yield from self._read_extension(entry)))
                linkname = text if linkname is None else linkname
            else:
                break
        if entry.typeflag == _EXTENDED:
            entry, fragments = yield from self._read_extended(entry)
        else:
            entry, fragments = yield from self._read_gnu_map(entry, block)
        if name is not None:
            entry = replace(entry, name=name)
        if linkname is not None:
            entry = replace(entry, linkname=linkname)
        return entry, fragments

    def _read_extended(self, header: Entry) -> _ReadingMap:
        """Return the entry behind a PAX header, whatever its type."""
        records = parse_records((yield from self._read_extension(header)))
        block = yield from self._read_header(is_due=True)
        assert block is not None
        own, fragments = yield from self._read_gnu_map(parse_entry(block), block)
        entry = apply_records(own, records)
        form = find_sparse_form(records)
        if form is None:
            if entry.size != own.size:
                raise ArchiveInvalid("a PAX header gives an entry another size than its own header")
            return entry, fragments
        if fragments is not None:
            raise ArchiveInvalid("a sparse file has two maps")
        entry = apply_sparse_records(entry, records)
        if form == "1.0":
            return (yield from self._read_leading_map(entry))
        listed = SparseMap()
        listed.add(parse_listed_map(records))
        return entry, listed.close(entry)

    def _read_header(self, *, is_due: bool) -> Generator[int, memoryview, bytes | None]:
        """Return the next header, or None at the end of the archive, unless one `is_due`."""
        due = "the archive ends between a header and what it belongs to" if is_due else None
        self._cut = due
        block = yield from self._read_block("the archive ends inside a header")
        if block != _ZERO_BLOCK:
            return block
        if is_due:
            raise ArchiveInvalid("a header is followed by nothing that it could belong to")
        self._cut = None
        block = yield from self._read_block("the archive ends inside its last block")
        if block != _ZERO_BLOCK:
            raise ArchiveInvalid("a block of zeros is followed by another block")
        self._cut = None
        return None

    def _read_block(self, cut: str) -> _ReadingBlock:
        """Return one block; the archive may end before it, but not inside it."""
        piece = yield BLOCK_BYTES
        block = bytes(piece)
        if len(block) < BLOCK_BYTES:
            self._cut = cut
            block += yield from self._read_exactly(BLOCK_BYTES - len(block))
        return block

    def _read_exactly(self, size: int) -> _ReadingBlock:
        content = bytearray()
        while len(content) < size:
            content += yield size - len(content)
        return bytes(content)

    def _read_extension(self, header: Entry) -> _ReadingBlock:
        if header.stored_bytes > MAX_EXTENSION_BYTES:
            raise ArchiveInvalid(f"a header is followed by more than {MAX_EXTENSION_BYTES} bytes")
        self._cut = "the archive ends inside what belongs to a header"
        content = yield from self._read_exactly(header.stored_bytes)
        yield from self._read_exactly(-header.stored_bytes % BLOCK_BYTES)
        return content

    def _read_gnu_map(self, entry: Entry, block: bytes) -> _ReadingMap:
        if entry.typeflag != _SPARSE:
            return entry, None
        sparse = SparseMap()
        size, fragments, is_extended = parse_gnu_header(block)
        sparse.add(fragments)
        self._cut = "the archive ends inside the map of a sparse file"
        while is_extended:
            fragments, is_extended = parse_extension_block(
                (yield from self._read_exactly(BLOCK_BYTES))
            )
            sparse.add(fragments)
        entry = replace(entry, size=size)
        return entry, sparse.close(entry)

    def _read_leading_map(self, entry: Entry) -> _ReadingMap:
        """Return the map of the form 1.0: lines with numbers, in whole blocks before the data."""
        self._cut = "the archive ends inside the map of a sparse file"
        text, left = b"", entry.stored_bytes
        numbers: list[int] = []
        sparse = SparseMap()
        expected = 1
        while len(numbers) < expected:
            line, newline, rest = text.partition(b"\n")
            if newline:
                text = rest
                numbers.append(parse_decimal(line))
                expected = 1 + 2 * max(numbers[0], 0)
                if len(numbers) > 1 and len(numbers) % 2:
                    sparse.add([(numbers[-2], numbers[-1])])
                continue
            if left < BLOCK_BYTES or len(text) > _MAX_LINE_BYTES:
                raise ArchiveInvalid("the map of a sparse file is malformed")
            text += yield from self._read_exactly(BLOCK_BYTES)
            left -= BLOCK_BYTES
        # The map is made of whole blocks, so that the padding stays what it is.
        entry = replace(entry, stored_bytes=left)
        return entry, sparse.close(entry)

    def _read_fragments(
        self, entry: Entry, fragments: Sequence[Fragment]
    ) -> Generator[int, memoryview, int]:
        """Tell of the content of a sparse file; return how much of it the archive has too much."""
        position, rest = 0, entry.stored_bytes
        for start, count in fragments:
            self._add_hole(start - position)
            yield from self._read_content(count)
            position, rest = start + count, rest - count
        self._add_hole(entry.size - position)
        return rest

    def _add_hole(self, size: int) -> None:
        self._hole_bytes += size
        if self._hole_bytes > MAX_HOLE_BYTES:
            raise ArchiveInvalid(f"the holes of sparse files have more than {MAX_HOLE_BYTES} bytes")
        while size:
            piece = min(size, len(_HOLE))
            self._sink.add(_HOLE[:piece])
            size -= piece

    def _read_content(self, size: int) -> Reading:
        self._cut = "the archive ends inside the content of an entry"
        while size:
            piece = yield size
            self._sink.add(piece)
            size -= len(piece)

    def _skip(self, size: int) -> Reading:
        """Pass over padding, inside which the archive may end."""
        self._cut = None
        while size:
            size -= len((yield size))
