"""`Principal`: who asks, as far as that is proven."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from core.access.resources import Access, Grant

__all__ = ["ANONYMOUS", "Principal", "PrincipalKind"]

PrincipalKind: TypeAlias = Literal["anonymous", "user", "robot", "workload"]
"""A workload is what another issuer vouches for, such as a job of a CI system."""


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class Principal:
    """Someone, and the bounds within which rules may allow them anything.

    Attributes:
        kind: of the asker.
        name: unique among those of its kind.
        groups: that the credentials vouch for; the rules may know more.
        claims: texts that the credentials vouch for, by name, for rules.
        grants: what this asker may do at most; None where the rules alone decide. With grants the
            rules can only take away.
        scope: what the token at hand is good for; None where there is no token, or it has no
            bounds. A new token may be good for more.
        valid_until: when this has to be proven anew, in seconds since the epoch.
    """

    kind: PrincipalKind
    name: str
    groups: frozenset[str] = frozenset()
    claims: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    grants: tuple[Grant, ...] | None = None
    scope: tuple[Access, ...] | None = None
    valid_until: float = math.inf

    @classmethod
    def certified(cls, common_name: str, organizations: Iterable[str]) -> "Principal":
        """Return the user of a verified client certificate, whose organizations are groups."""
        return cls(kind="user", name=common_name, groups=frozenset(organizations))

    @property
    def subject(self) -> str:
        """The text that rules, logs and limits know it by, such as `user:ann`."""
        return self.kind if self.kind == "anonymous" else f"{self.kind}:{self.name}"


ANONYMOUS: Final = Principal(kind="anonymous", name="")
