"""`Subject`: those of whom a rule speaks."""

import re
from dataclasses import dataclass
from typing import Literal, Self, get_args

from core.access.principal import Principal
from core.access.rules.wildcards import Wildcards

__all__ = ["Subject"]

_Kind = Literal["anonymous", "authenticated", "user", "group", "robot", "workload", "claim"]

_FORMS = (
    "`anonymous`, `authenticated`, `user:NAME`, `group:NAME`, `robot:NAME`, `workload:NAME` or "
    "`claim:NAME=VALUE`"
)
_SANE = re.compile(r"[^\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Some of those who may ask.

    Attributes:
        kind: of the subject.
        name: of users, a group, robots, workloads or a claim; may have wildcards, but for claims
            and groups.
        value: of the claim, may have wildcards.
    """

    kind: _Kind
    name: Wildcards
    value: Wildcards

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the subject that `text` names.

        Raises:
            ValueError: it is of none of the forms.
        """
        kind, colon, name = text.partition(":")
        name, equals, value = name.partition("=") if kind == "claim" else (name, "", "")
        is_alone = kind in {"anonymous", "authenticated"}
        whole = not colon if is_alone else bool(name) and bool(equals) is (kind == "claim")
        if kind not in get_args(_Kind) or not whole or _SANE.fullmatch(text) is None:
            raise ValueError(f"subjects such as {_FORMS}, not {text!r}")
        return cls(kind=kind, name=Wildcards(name), value=Wildcards(value))  # type: ignore[arg-type] # one of the kinds, as was just seen

    def includes(self, principal: Principal, groups: frozenset[str]) -> bool:
        """Say whether the asker, who is in `groups`, is one of these."""
        match self.kind:
            case "authenticated":
                return principal.kind != "anonymous"
            case "group":
                return self.name.text in groups
            case "claim":
                value = principal.claims.get(self.name.text)
                return value is not None and self.value.matches(value)
            case "anonymous":
                return principal.kind == "anonymous"
            case kind:
                return principal.kind == kind and self.name.matches(principal.name)
