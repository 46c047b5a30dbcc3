"""Tarsums: names of archives that follow from what is in them, not from how they are written.

The registries of 2014 and 2015 named layers so. What is hashed, and how an archive was read then,
is told file by file: `entry` has the fields of a header, `extended` what a PAX header adds,
`sparse` the maps of files with holes, `reader` the archive itself, `sums` and `go_sort` how the
sums of the entries become one, and `hasher` puts them together.
"""

from core.digest.tarsum.hasher import MAX_REPEATED_BYTES, TarsumHasher, TarsumVersion
from core.digest.tarsum.reader import MAX_EXTENSION_BYTES, MAX_HOLE_BYTES
from core.digest.tarsum.sparse import MAX_FRAGMENTS
from core.digest.tarsum.sums import MAX_ENTRIES

__all__ = [
    "MAX_ENTRIES",
    "MAX_EXTENSION_BYTES",
    "MAX_FRAGMENTS",
    "MAX_HOLE_BYTES",
    "MAX_REPEATED_BYTES",
    "TarsumHasher",
    "TarsumVersion",
]
