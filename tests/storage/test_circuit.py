"""When a service that failed is asked again."""

from core.storage.circuit import Circuit

__all__: list[str] = []


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_all_is_admitted_as_long_as_all_is_well() -> None:
    circuit = Circuit()
    assert [circuit.admit() for _ in range(3)] == ["usual"] * 3
    assert not circuit.succeed("usual")


def test_an_outage_begins_once_and_lets_one_trial_through_in_each_pause() -> None:
    clock = _Clock()
    circuit = Circuit(5, clock)
    assert circuit.fail()
    assert not circuit.fail()
    assert circuit.admit() is None
    clock.now += 4.9
    assert circuit.admit() is None
    clock.now += 0.2
    assert [circuit.admit() for _ in range(3)] == ["trial", None, None]
    assert not circuit.fail()
    clock.now += 4.9
    assert circuit.admit() is None
    clock.now += 0.2
    assert circuit.admit() == "trial"


def test_only_a_trial_ends_an_outage_and_it_ends_once() -> None:
    clock = _Clock()
    circuit = Circuit(5, clock)
    circuit.fail()
    assert not circuit.succeed("usual")
    assert circuit.admit() is None
    clock.now += 6
    assert circuit.admit() == "trial"
    assert circuit.succeed("trial")
    assert not circuit.succeed("trial")
    assert circuit.admit() == "usual"


def test_a_trial_that_never_comes_back_is_followed_by_another() -> None:
    clock = _Clock()
    circuit = Circuit(5, clock)
    circuit.fail()
    for _ in range(3):
        clock.now += 6
        assert circuit.admit() == "trial"
