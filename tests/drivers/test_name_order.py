"""Entries in order of their names, whichever order the store has."""

from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.drivers import name_order
from core.drivers.base import Entry
from core.drivers.name_order import in_name_order

__all__: list[str] = []

NAMES = st.text("a-.0", min_size=1, max_size=4)


class Listing:
    """What a store lists, which counts what was taken of it."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.taken = 0
        self.asked: list[str] = []

    async def __aiter__(self) -> AsyncIterator[Entry]:
        for entry in self.entries:
            self.taken += 1
            yield entry

    async def is_directory(self, name: str) -> bool:
        self.asked.append(name)
        return Entry(name=name, is_directory=True) in self.entries


def _key(entry: Entry) -> str:
    return f"{entry.name}/" if entry.is_directory else entry.name


@pytest.mark.parametrize("max_held", [0, 1, 1000])
@given(
    entries=st.lists(st.builds(Entry, name=NAMES, is_directory=st.booleans()), unique=True),
    start_after=st.one_of(st.just(""), NAMES),
    by_key=st.booleans(),
)
async def test_any_listing_of_a_store_comes_in_order_of_names(
    max_held: int, entries: list[Entry], start_after: str, by_key: bool
) -> None:
    entries.sort(key=_key if by_key else lambda entry: f"{entry.name}\0{entry.is_directory}")
    expected: dict[str, bool] = {}
    for entry in entries:
        if entry.name > start_after:
            expected[entry.name] = expected.get(entry.name, False) or entry.is_directory
    listing = Listing(entries)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name_order, "_MAX_HELD", max_held)
        found = [entry async for entry in in_name_order(listing, listing.is_directory, start_after)]
    assert found == [Entry(name=name, is_directory=expected[name]) for name in sorted(expected)]


@pytest.mark.parametrize("directory", [True, False])
async def test_a_long_listing_is_passed_on_while_it_comes(directory: bool) -> None:
    listing = Listing([Entry(name=f"1.{n:05}", is_directory=directory) for n in range(5000)])
    count = 0
    async for entry in in_name_order(listing, listing.is_directory):
        assert entry.name == f"1.{count:05}"
        count += 1
        assert listing.taken <= count + 1001
    assert count == 5000
    assert listing.asked == ["1"]


async def test_what_lies_behind_the_start_is_not_waited_for() -> None:
    listing = Listing([Entry(name=f"1.{n:05}", is_directory=True) for n in range(5000)])
    async for _ in in_name_order(listing, listing.is_directory, "1.00000"):
        break
    assert listing.taken <= 3
    assert listing.asked == []
