"""`BodyPace`: whether a client sends the body of its request fast enough to be waited for."""

from api.errors import BodyTooSlow
from api.settings.groups import UploadsSettings

__all__ = ["BodyPace"]

_GRACE_SECONDS = 60
"""So long a client may take to get under way before its rate counts."""

_LOOK_SECONDS = 5


class BodyPace:
    """What has come of a body, and how long it was waited for.

    Time in which the registry itself lets the client wait does not count.

    Attributes:
        look_seconds: how often to look whether the client is behind while it is waited for.
    """

    __slots__ = ("_max_seconds", "_min_rate", "_received", "_waited", "look_seconds")

    def __init__(self, *, max_seconds: float, min_bytes_per_second: float) -> None:
        """Begin with nothing; 0 is no limit for either."""
        self._max_seconds = max_seconds or float("inf")
        self._min_rate = min_bytes_per_second
        self._received = 0
        self._waited = 0.0
        self.look_seconds = min(_LOOK_SECONDS, self._max_seconds)

    @classmethod
    def of(cls, settings: UploadsSettings) -> "BodyPace | None":
        """Return the pace of a new body, or None where settings set none."""
        if not (settings.max_seconds or settings.min_bytes_per_second):
            return None
        return cls(
            max_seconds=settings.max_seconds, min_bytes_per_second=settings.min_bytes_per_second
        )

    def add(self, received_bytes: int, seconds: float) -> None:
        """Take note of bytes that have come, and for how long they were waited for."""
        self._received += received_bytes
        self._waited += seconds

    def is_behind(self, received_bytes: int = 0, seconds: float = 0.0) -> bool:
        """Say whether the client is too slow; what came since `add` was called is added."""
        waited = self._waited + seconds
        if waited >= self._max_seconds:
            return True
        return self._received + received_bytes < (waited - _GRACE_SECONDS) * self._min_rate

    def patience(self, silence_seconds: float) -> float | None:
        """Return how long to wait for the next bytes, None for as long as it takes.

        Args:
            silence_seconds: the longest silence of a client; 0 is no limit.
        """
        seconds = min(silence_seconds or float("inf"), self._max_seconds - self._waited)
        return None if seconds == float("inf") else max(seconds, 0.0)

    def fault(self) -> BodyTooSlow:
        """Return what to raise for a client that is behind."""
        return BodyTooSlow(seconds=round(self._waited), received_bytes=self._received)
