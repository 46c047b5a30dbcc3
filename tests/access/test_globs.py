"""Patterns with `*`: what they match, and how long that takes at most."""

import time
from itertools import product

from core.access import RepositoryPattern
from core.access.rules.wildcards import Wildcards

__all__: list[str] = []

_MANY = 60_000
"""As many characters as the path of a request may have."""


def _matches(pattern: str, text: str) -> bool:
    """Say the same by trying everything."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_matches(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] == text[0] and _matches(pattern[1:], text[1:])


def _texts(characters: str, longest: int) -> list[str]:
    return [
        "".join(chosen)
        for length in range(longest + 1)
        for chosen in product(characters, repeat=length)
    ]


def test_a_star_is_any_text_and_all_else_is_itself() -> None:
    texts = _texts("ab", 5)
    for pattern in _texts("ab*", 4):
        found = Wildcards(pattern)
        assert [text for text in texts if found.matches(text)] == [
            text for text in texts if _matches(pattern, text)
        ]


def test_a_star_in_a_component_is_any_text_without_a_slash() -> None:
    texts = [text for text in _texts("ab/", 5) if text]
    for pattern in _texts("ab*", 4):
        if not pattern or "**" in pattern:
            continue
        alone, below = RepositoryPattern(pattern), RepositoryPattern(f"{pattern}/b*a")
        for text in texts:
            parts = text.split("/")
            assert alone.matches(text) is (len(parts) == 1 and _matches(pattern, text))
            assert below.matches(text) is (
                len(parts) == 2 and _matches(pattern, parts[0]) and _matches("b*a", parts[1])
            )


def test_a_name_that_is_made_to_match_almost_takes_no_longer_than_another() -> None:
    started = time.process_time()
    assert not RepositoryPattern("*-*-*-*").matches("-" * _MANY + "/")
    assert not RepositoryPattern("x*-*-*/*-*-*").matches(
        "x" + "-" * _MANY + "/" + "-" * _MANY + "/"
    )
    assert not Wildcards("*-*-*-*x").matches("-" * _MANY)
    assert time.process_time() - started < 1
