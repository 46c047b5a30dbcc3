"""What the body of one request may be, besides the silence that a client may keep in it."""

from dataclasses import dataclass
from typing import Self

from api.serving.body_pace import BodyPace
from api.settings.groups import UploadsSettings
from core.errors import BlobTooLarge

__all__ = ["NO_BODY_LIMITS", "BodyLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """Limits of one body, which counts what comes of it.

    Attributes:
        pace: how fast it has to come; None for as slow as it likes.
        max_bytes: the largest blob; None for any size.
        earlier_bytes: what earlier requests have brought of the same blob.
    """

    pace: BodyPace | None = None
    max_bytes: int | None = None
    earlier_bytes: int = 0

    @classmethod
    def of_blob(cls, settings: UploadsSettings, earlier_bytes: int = 0) -> Self:
        """Return the limits of a body that is all or the rest of a blob."""
        return cls(
            pace=BodyPace.of(settings),
            max_bytes=settings.max_bytes or None,
            earlier_bytes=earlier_bytes,
        )

    @classmethod
    def of_document(cls, settings: UploadsSettings) -> Self:
        """Return the limits of a body whose size is limited elsewhere."""
        return cls(pace=BodyPace.of(settings))

    def check(self, received_bytes: int) -> None:
        """Return if the blob is not too large with this much of the body.

        Raises:
            BlobTooLarge: it is.
        """
        if self.max_bytes is not None and self.earlier_bytes + received_bytes > self.max_bytes:
            raise BlobTooLarge(limit=self.max_bytes)


NO_BODY_LIMITS = BodyLimits()
"""For bodies of which anything may come in any time."""
