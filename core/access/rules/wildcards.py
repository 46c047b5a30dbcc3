"""`Wildcards`: texts that match a pattern in which `*` stands for anything."""

import re
from dataclasses import dataclass, field

__all__ = ["Wildcards"]


@dataclass(frozen=True, slots=True)
class Wildcards:
    """A pattern of whole texts. `*` is any number of characters; nothing else is special."""

    text: str
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        expression = ".*".join(map(re.escape, self.text.split("*")))
        object.__setattr__(self, "_expression", re.compile(expression, re.DOTALL))

    def matches(self, text: str) -> bool:
        """Say whether all of `text` is as the pattern says."""
        return self._expression.fullmatch(text) is not None

    def __str__(self) -> str:
        return self.text
