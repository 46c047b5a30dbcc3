"""`Wildcards`: texts that match a pattern in which `*` stands for anything."""

import re
from dataclasses import dataclass, field

from core.access.globs import glob_expression

__all__ = ["Wildcards"]


@dataclass(frozen=True, slots=True)
class Wildcards:
    """A pattern of whole texts. `*` is any number of characters; nothing else is special."""

    text: str
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        expression = re.compile(glob_expression(self.text, "."), re.DOTALL)
        object.__setattr__(self, "_expression", expression)

    def matches(self, text: str) -> bool:
        """Say whether all of `text` is as the pattern says."""
        return self._expression.fullmatch(text) is not None

    def __str__(self) -> str:
        return self.text
