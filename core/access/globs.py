"""Expressions for texts with `*`, matched in a time that nobody can drive up."""

import re

__all__ = ["glob_expression"]


def glob_expression(text: str, character: str) -> str:
    """Return the expression of a pattern in which `*` is any number of `character`.

    What has been found for one part is never looked for again further on, which would find
    nothing that the first place does not: names that are made to match almost, with several `*`
    in a pattern, would otherwise keep the process busy for minutes.
    """
    if "*" not in text:
        return re.escape(text)
    first, *middle, last = map(re.escape, text.split("*"))
    found = "".join(f"(?>{character}*?{part})" for part in middle if part)
    return f"{first}{found}{character}*{last}"
