"""The sort that decides where names repeat."""

import hashlib
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.digest.tarsum.go_sort import sort_as_go
from core.digest.tarsum.sums import EntrySums, clean_name

__all__: list[str] = []


@given(values=st.lists(st.integers(0, 50), max_size=300))
def test_what_is_an_order_is_sorted_by_it(values: list[int]) -> None:
    items = list(values)
    sort_as_go(items, lambda one, other: one < other)
    assert items == sorted(values)


def test_bad_input_is_sorted_in_n_log_n_comparisons() -> None:
    for values in (list(range(3000)), [0] * 3000, [*range(1500), *range(1500, 0, -1)]):
        calls = 0

        def is_less(one: int, other: int) -> bool:
            nonlocal calls
            calls += 1
            return one < other

        sort_as_go(values, is_less)
        assert values == sorted(values)
        assert calls < 3000 * 12 * 4


@pytest.mark.parametrize("answer", [True, False])
def test_a_comparison_that_always_says_the_same_ends(answer: bool) -> None:
    items = list(range(2000))
    calls = 0

    def is_less(one: int, other: int) -> bool:
        nonlocal calls
        calls += 1
        return answer

    sort_as_go(items, is_less)
    assert sorted(items) == list(range(2000))
    assert calls < 2000 * 11 * 8


def circle(one: int, other: int) -> bool:
    """A comparison that is no order, so that each step of the algorithm shows in what it gives."""
    return (other - one) % 3 == 1


def always(one: int, other: int) -> bool:
    """One that drives the quicksort to its depth, where the heap sort takes over."""
    return True


@pytest.mark.parametrize(
    ("is_less", "count", "expected"),
    [
        (circle, 8, "783ba2dc8e92303a"),
        (circle, 12, "bbdb7f4805304064"),
        (circle, 40, "a53097cc2e7f5701"),
        (circle, 41, "19bb2199cf7eeef7"),
        (circle, 3000, "9a7fff353eba9ebc"),
        (always, 12, "06bca2c7cc359652"),
        (always, 41, "8c7850d768678148"),
        (always, 3000, "8cc52ea2f5c95d3e"),
    ],
)
def test_above_seven_each_step_is_that_of_go_1_4(
    is_less: Callable[[int, int], bool], count: int, expected: str
) -> None:
    # Two readings of its source, made apart, agree about these.
    items = [place * 7919 % count for place in range(count)]
    sort_as_go(items, is_less)
    text = ",".join(map(str, items))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == expected


@given(order=st.permutations(range(7)))
def test_up_to_seven_are_sorted_by_insertion(order: list[int]) -> None:
    expected = list(order)
    for place in range(1, len(expected)):
        at = place
        while at > 0 and circle(expected[at], expected[at - 1]):
            expected[at - 1], expected[at] = expected[at], expected[at - 1]
            at -= 1
    items = list(order)
    sort_as_go(items, circle)
    assert items == expected


def combined(entries: list[tuple[bytes, bytes]]) -> list[bytes]:
    sums = EntrySums(32)
    found: list[bytes] = []
    for name, content in entries:
        sums.add(name, hashlib.sha256(content).digest())
    sums.hand_over(found.append)
    text = b"".join(found)
    return [text[start : start + 64] for start in range(0, len(text), 64)]


def test_sums_are_ascending_where_no_name_repeats() -> None:
    entries = [(b"%d" % index, b"%d" % index) for index in range(2000)]
    random.Random(1).shuffle(entries)
    expected = sorted(hashlib.sha256(content).hexdigest().encode() for _, content in entries)
    assert combined(entries) == expected


def test_of_one_name_alone_the_order_of_the_archive_stays() -> None:
    entries = [(b"same", b"%d" % index) for index in range(40)]
    assert combined(entries) == [
        hashlib.sha256(content).hexdigest().encode() for _, content in entries
    ]


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        (b"./a", b"a"),
        (b"a/", b"a"),
        (b"./a/", b"a"),
        (b"././a", b"./a"),
        (b"a//", b"a/"),
        (b"/a", b"/a"),
        (b"./", b""),
    ],
)
def test_a_name_is_cleaned_once_on_each_side(name: bytes, cleaned: bytes) -> None:
    assert clean_name(name) == cleaned
