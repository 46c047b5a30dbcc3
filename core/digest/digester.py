"""`Digester`: the digest of content that passes by in chunks."""

from core.digest.algorithm import SHA256, Algorithm
from core.digest.digest import Digest

__all__ = ["Digester"]


class Digester:
    """A running digest that counts the bytes it has seen.

    `update` releases the interpreter for chunks past 2 KiB and is meant to run in a thread.

    Attributes:
        algorithm: of the digest.
        size: bytes seen so far.
    """

    __slots__ = ("_hasher", "algorithm", "size")

    def __init__(self, algorithm: Algorithm = SHA256) -> None:
        self.algorithm = algorithm
        self.size = 0
        self._hasher = algorithm.new_hasher()

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take in the next chunk, which may be empty."""
        self._hasher.update(chunk)
        self.size += len(chunk)

    def digest(self) -> Digest:
        """Return the digest of all bytes so far; more may follow."""
        return Digest(self.algorithm, self._hasher.hexdigest())
