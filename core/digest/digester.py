"""`Digester`: the digest of content that passes by in chunks."""

from typing import Self

from core.digest.algorithm import SHA256, Algorithm, Hasher
from core.digest.digest import Digest
from core.digest.resumable import ResumableHasher, new_resumable_hasher, restore_hasher
from core.errors import ArchiveInvalid, ArchiveTruncated, DigestMismatch

__all__ = ["Digester"]


class Digester:
    """A running digest that counts the bytes it has seen.

    `update` releases the interpreter for chunks past 2 KiB and is meant to run in a thread. With an
    algorithm that does not name bytes, SHA-256 runs beside it, and both belong into a thread.

    Attributes:
        algorithm: of the digest.
        size: bytes seen so far.
    """

    __slots__ = ("_bytes", "_hasher", "_resumable", "algorithm", "size")

    def __init__(self, algorithm: Algorithm = SHA256) -> None:
        self.algorithm = algorithm
        self.size = 0
        self._resumable: ResumableHasher | None = None
        # Made when something comes: most digesters of small pushes see nothing.
        self._hasher: Hasher | None = None
        self._bytes: Digester | None = None if algorithm.names_bytes else Digester()

    @classmethod
    def restore(cls, algorithm: Algorithm, state: bytes, size: int) -> Self | None:
        """Return a digester that has seen the `size` bytes after which `state` was taken.

        None if it is no such state, or no state can be used here: the content has to be read
        again.
        """
        digester = cls(algorithm)
        hasher = restore_hasher(algorithm.name, state)
        if hasher is None or int.from_bytes(state[-8:], "big") != size:
            return None
        digester._resumable = digester._hasher = hasher
        digester.size = size
        return digester

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take in the next chunk, which may be empty."""
        self._begun().update(chunk)
        if self._bytes is not None:
            self._bytes.update(chunk)
        self.size += len(chunk)

    def digest(self) -> Digest:
        """Return the digest of all bytes so far; more may follow.

        Raises:
            ArchiveInvalid, ArchiveTruncated: it would be a tarsum, and these bytes have none.
        """
        return Digest(self.algorithm, self._begun().hexdigest())

    def check(self, expected: Digest) -> Digest:
        """Return the digest under which the bytes so far are to be stored, if they are right.

        That is `expected`, or their SHA-256 if `expected` does not name bytes.

        Raises:
            DigestMismatch: `expected`, which is of the same algorithm, is not their digest.
            ArchiveInvalid: they are no archive that could have this tarsum, whatever follows.
            ArchiveTruncated: they are the beginning of an archive.
        """
        try:
            actual = self.digest()
        except ArchiveInvalid as error:
            raise ArchiveInvalid(error.reason, digest=str(expected)) from None
        except ArchiveTruncated as error:
            raise ArchiveTruncated(error.reason, digest=str(expected)) from None
        if actual != expected:
            raise DigestMismatch(expected=str(expected), actual=str(actual))
        return expected if self._bytes is None else self._bytes.digest()

    def state(self) -> bytes | None:
        """Return what `restore` goes on from in any process, or None if it cannot be had here.

        Its form is that of Go's `crypto/sha256` and `crypto/sha512`.
        """
        self._begun()
        return None if self._resumable is None else self._resumable.state()

    def _begun(self) -> Hasher:
        if self._hasher is None:
            self._resumable = new_resumable_hasher(self.algorithm.name)
            self._hasher = self._resumable or self.algorithm.new_hasher()
        return self._hasher
