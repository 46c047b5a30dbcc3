"""Durations as people write them, in flags and in settings."""

from datetime import timedelta

import pytest

from api.settings import SettingsError, load_settings
from api.settings.durations import parse_duration

__all__: list[str] = []


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("168h", timedelta(days=7)),
        ("7d", timedelta(days=7)),
        ("30m", timedelta(minutes=30)),
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("0s", timedelta(0)),
        ("007d", timedelta(days=7)),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "7", "d", "7 d", "-7d", "1.5h", "7D", "7w", "7d ", "7d\n", "٧d", "9999999999s"]
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 168h"):
        parse_duration(text)


def test_a_duration_that_cannot_be_counted_is_refused() -> None:
    assert parse_duration("999999999s") > timedelta(days=10_000)
    with pytest.raises(ValueError, match="too long"):
        parse_duration("999999999d999999999d")


@pytest.mark.parametrize("key", ["PURGE_INTERVAL", "PURGE_OLDER_THAN"])
@pytest.mark.parametrize("value", ["soon", "0h", "", "24"])
def test_a_setting_that_is_no_duration_above_zero_is_refused(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    variable = f"MOORAGE_UPLOADS__{key}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (fault,) = caught.value.faults
    assert fault == (
        f"{variable}: uploads.{key.lower()}: expected a duration above zero such as 168h, 7d, "
        f"1h30m or 90s, got {value!r}"
    )
