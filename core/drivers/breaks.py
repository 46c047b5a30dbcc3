"""How often a download may break and be gone on with before the store is given up."""

__all__ = ["Breaks"]

_PROGRESS_BYTES = 1024 * 1024


class Breaks:
    """Counts breaks, and forgets them once a good deal has come without another one.

    A store that gives a few bytes and breaks, again and again, would keep a client waiting for
    hours if each byte counted as progress.
    """

    def __init__(self, limit: int) -> None:
        """Allow `limit` breaks without a mebibyte between them."""
        self._limit = limit
        self._count = 0
        self._received = 0

    def receive(self, size: int) -> None:
        """Take note of bytes that have come."""
        self._received += size
        if self._received >= _PROGRESS_BYTES:
            self._count = 0

    def is_too_many(self) -> bool:
        """Count one more break; say whether to give up."""
        self._count += 1
        self._received = 0
        return self._count > self._limit
