"""What may be done to what, as Docker's token protocol writes it, and as rules write it.

Spec: distribution, "Docker Registry Token Authentication", scope: `type:name:action,action`.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from core.access.globs import glob_expression
from core.storage.names import MAX_NAME_LENGTH, NAME_PATTERN

__all__ = [
    "ACTIONS",
    "CATALOG",
    "MAX_SCOPES",
    "Access",
    "Grant",
    "RepositoryPattern",
    "format_scope",
    "parse_scope",
]

ACTIONS: Final = ("pull", "push", "delete", "tag", "list")
"""What rules speak of. Tokens know the first three."""

MAX_SCOPES = 100
"""Most resources that one scope may name."""

_MAX_SCOPE_CHARACTERS = 16 * 1024
_IMPLIED: Final = {"tag": "push", "list": "pull"}
_NAME = re.compile(NAME_PATTERN)
_SCOPE = re.compile(
    r"(?P<type>[a-z0-9]+)(?:\((?P<class>[a-z0-9]+)\))?"
    r":(?P<name>(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?[a-z0-9._/-]+)"
    r":(?P<actions>(?:[a-z]+|\*)(?:,(?:[a-z]+|\*))*)"
)


@dataclass(frozen=True, slots=True)
class Access:
    """Actions on one resource.

    Attributes:
        type: `repository` or `registry`.
        name: of the repository; `catalog` of the registry.
        actions: in the order in which they are written.
    """

    type: str
    name: str
    actions: tuple[str, ...]

    @classmethod
    def repository(cls, name: str, *actions: str) -> "Access":
        """Return actions on a repository."""
        return cls("repository", name, actions)

    def allows(self, wanted: "Access") -> bool:
        """Say whether all that is wanted is within this, or comes with it; `*` is every action."""
        if (self.type, self.name) != (wanted.type, wanted.name):
            return False
        own = frozenset(self.actions)
        return all(covers(own, action) for action in wanted.actions)

    def __str__(self) -> str:
        return f"{self.type}:{self.name}:{','.join(self.actions)}"


CATALOG = Access("registry", "catalog", ("*",))


def parse_scope(text: str) -> tuple[Access, ...]:
    """Return what a scope names; parts with a space between them, each resource once.

    Raises:
        ValueError: a part is outside the grammar, or there are too many of them.
    """
    if len(text) > _MAX_SCOPE_CHARACTERS:
        raise ValueError(f"a scope has at most {_MAX_SCOPE_CHARACTERS} characters")
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for part in text.split():
        match = _SCOPE.fullmatch(part)
        if match is None:
            raise ValueError("a scope is of the form type:name:action,action")
        kind, name = match["type"], match["name"]
        if kind == "repository" and (len(name) > MAX_NAME_LENGTH or _NAME.fullmatch(name) is None):
            raise ValueError("a scope names a repository that cannot exist")
        actions = (*found.get((kind, name), ()), *match["actions"].split(","))
        found[kind, name] = tuple(dict.fromkeys(actions))
        if len(found) > MAX_SCOPES:
            raise ValueError(f"a scope names at most {MAX_SCOPES} resources")
    return tuple(Access(kind, name, actions) for (kind, name), actions in found.items())


def format_scope(wanted: Iterable[Access]) -> str:
    """Return the scope that names `wanted`."""
    return " ".join(map(str, wanted))


@dataclass(frozen=True, slots=True)
class RepositoryPattern:
    """Names of repositories: `*` within one component, `**` as last component for any depth.

    `team/*` is `team/app`, and not `team/app/ui`; `team/**` is both, and not `team`;
    `**` is every repository. There are no other wildcards.
    """

    text: str
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_expression", _compile(self.text))

    def matches(self, name: str) -> bool:
        """Say whether the repository is one of these."""
        return self._expression.fullmatch(name) is not None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions on the repositories of a pattern. `push` covers `tag`, and `pull` covers `list`."""

    repositories: RepositoryPattern
    actions: frozenset[str]

    def allows(self, action: str, name: str) -> bool:
        """Say whether this covers one action on one repository."""
        return covers(self.actions, action) and self.repositories.matches(name)


def covers(actions: frozenset[str], action: str) -> bool:
    """Say whether `action` is among `actions`, or comes with one that is."""
    return action in actions or "*" in actions or _IMPLIED.get(action) in actions


@functools.lru_cache(4096)
def _compile(text: str) -> re.Pattern[str]:
    """Return the expression of a pattern.

    Raises:
        ValueError: it is outside the grammar of names and wildcards.
    """
    if len(text) > MAX_NAME_LENGTH or re.fullmatch(r"[a-z0-9._/*-]+", text) is None:
        raise ValueError(f"names of repositories, perhaps with `*`, not {text!r}")
    *parents, last = text.split("/")
    if "" in (*parents, last) or any("**" in part for part in parents):
        raise ValueError(f"`**` to be the last component of a pattern, not as in {text!r}")
    if "**" in last and last != "**":
        raise ValueError(f"`**` to be a component of its own, not as in {text!r}")
    parts = [glob_expression(part, "[^/]") for part in parents]
    parts.append(".+" if last == "**" else glob_expression(last, "[^/]"))
    return re.compile("/".join(parts))


EVERYTHING: Final = RepositoryPattern("**")
