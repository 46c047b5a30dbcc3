"""The running digests of uploads that this process has just let go of."""

from collections import OrderedDict

from core.digest import Algorithm, Digester

__all__ = ["RecentDigesters"]

_MAX_DIGESTERS = 1024


class RecentDigesters:
    """Digests of what uploads hold, the last ones, each for the next request to its upload.

    What an upload holds only grows, so a digest of as many bytes as it holds is that of these
    bytes, whoever has written to it meanwhile. A client's next request mostly comes to the same
    process; any other finds the state in the store, or reads the content.
    """

    def __init__(self) -> None:
        self._digesters: OrderedDict[str, Digester] = OrderedDict()

    def keep(self, path: str, digester: Digester) -> None:
        """Keep the digest of all that the upload at `path` holds; the caller forgets it."""
        self._digesters[path] = digester
        self._digesters.move_to_end(path)
        if len(self._digesters) > _MAX_DIGESTERS:
            self._digesters.popitem(last=False)

    def take(self, path: str, algorithm: Algorithm, size: int) -> Digester | None:
        """Return the digest of the `size` bytes that the upload holds, and forget it, or None."""
        digester = self._digesters.pop(path, None)
        if digester is None or digester.size != size or digester.algorithm is not algorithm:
            return None
        return digester
