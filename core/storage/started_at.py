"""When an upload was started, as its file in the store says it."""

from datetime import UTC, datetime

__all__ = ["format_started_at", "parse_started_at"]

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def format_started_at(started_at: datetime) -> bytes:
    """Return a time as RFC 3339, whole seconds, UTC: the form that the incumbent reads too."""
    return started_at.astimezone(UTC).strftime(_FORMAT).encode("ascii")


def parse_started_at(content: bytes) -> datetime:
    """Return the time that `content` is.

    Raises:
        ValueError: it is none, or not of this form.
    """
    # `strptime` knows but one form, and takes ten times as long.
    started_at = datetime.fromisoformat(content.decode("ascii"))
    if started_at.tzinfo is None or format_started_at(started_at) != content:
        raise ValueError(f"not of the form {_FORMAT}")
    return started_at
