"""Listings of large directories: read once, and never older than the directory."""

import os
import time
from pathlib import Path

import pytest

from core.drivers.base import Entry
from core.drivers.filesystem import listings as filesystem_listings
from core.drivers.filesystem.listings import Listings

__all__: list[str] = []

COUNT = 1200


class Clock:
    """The time that passes for listings, and how often they read a directory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.reads = 0
        real = os.scandir

        def scandir(directory: str) -> object:
            self.reads += 1
            return real(directory)

        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(os, "scandir", scandir)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for number in range(COUNT):
        (tmp_path / f"d{number:05}").mkdir()
    (tmp_path / "file").touch()
    return tmp_path


def _list(listings: Listings, directory: Path, start_after: str = "") -> list[Entry]:
    return list(listings.list(str(directory)).entries(start_after))


def test_a_directory_that_does_not_change_is_not_read_for_every_page(
    directory: Path, clock: Clock
) -> None:
    listings = Listings()
    whole = _list(listings, directory)
    clock.now += 3
    _list(listings, directory)
    clock.reads = 0
    assert _list(listings, directory) == whole
    assert _list(listings, directory, "d00005")[0] == Entry(name="d00006", is_directory=True)
    assert _list(listings, directory, "e") == [Entry(name="file", is_directory=False)]
    assert _list(listings, directory, "file") == []
    assert clock.reads == 0


def test_what_another_program_adds_and_removes_is_seen_at_once(
    directory: Path, clock: Clock
) -> None:
    listings = Listings()
    for _ in range(3):
        _list(listings, directory)
        clock.now += 3
    (directory / "a").mkdir()
    assert _list(listings, directory)[0] == Entry(name="a", is_directory=True)
    (directory / "a").rmdir()
    assert _list(listings, directory)[0].name == "d00000"
    assert clock.reads > 0


def test_a_change_in_the_same_tick_as_the_one_before_is_not_missed(
    directory: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The times of the directory stand still, as they do within one tick of a coarse clock.
    monkeypatch.setattr(filesystem_listings, "_look_at", lambda _: (1, 2, 3))
    listings = Listings()
    assert len(_list(listings, directory)) == COUNT + 1
    clock.now += 1
    (directory / "late").mkdir()
    assert len(_list(listings, directory)) == COUNT + 2


def test_a_directory_that_changes_while_it_is_read_is_not_kept(
    directory: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings = Listings()
    _list(listings, directory)
    clock.now += 3
    real = filesystem_listings._read

    def read_slowly(name: str) -> filesystem_listings.Listing:
        listing = real(name)
        (directory / "late").mkdir(exist_ok=True)
        return listing

    monkeypatch.setattr(filesystem_listings, "_read", read_slowly)
    _list(listings, directory)
    assert _list(listings, directory)[-1] == Entry(name="late", is_directory=True)


def test_small_directories_take_no_memory(tmp_path: Path, clock: Clock) -> None:
    listings = Listings()
    (tmp_path / "a").mkdir()
    for _ in range(3):
        _list(listings, tmp_path)
        clock.now += 3
    assert clock.reads == 3
    assert len(listings._kept) == len(listings._seen) == 0


def test_many_directories_keep_within_the_bound(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem_listings, "_LARGE", 2)
    monkeypatch.setattr(filesystem_listings, "_MAX_NAMES", 7)
    listings = Listings()
    for name in ("a", "b", "c"):
        for number in range(3):
            (tmp_path / name / str(number)).mkdir(parents=True)
    for _ in range(2):
        for name in ("a", "b", "c"):
            _list(listings, tmp_path / name)
        clock.now += 3
    assert [Path(name).name for name in listings._kept] == ["b", "c"]
