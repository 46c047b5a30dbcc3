"""Downloads that break."""

from core.drivers.breaks import Breaks

__all__: list[str] = []

MIB = 1024 * 1024


def test_a_few_breaks_in_a_row_are_borne() -> None:
    breaks = Breaks(3)
    assert [breaks.is_too_many() for _ in range(4)] == [False, False, False, True]


def test_breaks_are_forgotten_once_much_has_come() -> None:
    breaks = Breaks(1)
    for _ in range(10):
        assert not breaks.is_too_many()
        breaks.receive(MIB // 2)
        breaks.receive(MIB // 2)


def test_a_trickle_between_breaks_is_no_progress() -> None:
    breaks = Breaks(3)
    for _ in range(3):
        assert not breaks.is_too_many()
        breaks.receive(MIB - 1)
    assert breaks.is_too_many()
