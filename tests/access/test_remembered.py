"""Who has proven who they are: for how long, and in how much memory."""

import time
import tracemalloc

import pytest

from api.access.remembered import Remembered
from core.access import Access, Principal

__all__: list[str] = []


def principal(name: str = "ann", seconds: float = 60) -> Principal:
    return Principal(kind="user", name=name, valid_until=time.time() + seconds)


def test_the_same_credentials_are_the_same_principal_until_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remembered = Remembered()
    ann = principal()
    remembered.keep(b"Basic a", ann)
    assert remembered.find(b"Basic a") is ann
    assert remembered.find(b"Basic b") is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert remembered.find(b"Basic a") is None


def test_what_has_ended_already_is_not_kept() -> None:
    remembered = Remembered()
    remembered.keep(b"Basic a", principal(seconds=-1))
    assert len(remembered) == 0


def test_of_too_many_the_oldest_are_forgotten() -> None:
    remembered = Remembered(max_count=3)
    for number in range(5):
        remembered.keep(b"%d" % number, principal(str(number)))
    assert len(remembered) == 3
    assert [remembered.find(b"%d" % number) is not None for number in range(5)] == [
        *(False, False),
        *(True, True, True),
    ]


def test_memory_is_bounded_and_a_renewal_takes_none() -> None:
    remembered = Remembered(max_bytes=100_000)
    for number in range(50):
        remembered.keep(b"%d" % number + b"x" * 9_000, principal())
    assert len(remembered) == 9
    for _ in range(50):
        remembered.keep(b"49" + b"x" * 9_000, principal())
    assert len(remembered) == 9
    remembered.keep(b"x" * 100_001, principal())
    assert len(remembered) == 9
    remembered.clear()
    assert len(remembered) == 0


def test_no_credential_is_kept() -> None:
    remembered = Remembered()
    remembered.keep(b"Basic of ann", principal())
    assert b"of ann" not in repr(vars(remembered)).encode()
    # Two processes keep the same by other keys.
    other = Remembered()
    other.keep(b"Basic of ann", principal())
    assert set(remembered._entries).isdisjoint(other._entries)


def test_what_a_token_is_good_for_counts_as_the_memory_that_it_takes() -> None:
    scope = tuple(Access.repository(f"{number}", "pull") for number in range(100))
    tracemalloc.start()
    remembered = Remembered(max_bytes=1_000_000)
    for number in range(200):
        texts = [Access(_copy(one.type), _copy(one.name), one.actions) for one in scope]
        token = b"%d" % number + b"x" * 4_000
        kept = Principal(kind="user", name="ann", scope=tuple(texts), valid_until=time.time() + 60)
        remembered.keep(token, kept)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 10 < len(remembered) < 200
    assert size < 1_500_000


def _copy(text: str) -> str:
    """Return a text of its own, as one that is read anew is."""
    return text.encode().decode()
