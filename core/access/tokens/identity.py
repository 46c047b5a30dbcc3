"""`Identity`: who a token is of, and what it ends with."""

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar, get_args

from core.access.principal import Principal, PrincipalKind
from core.access.resources import Grant, RepositoryPattern

__all__ = ["IDENTITY_CLAIM", "Identity"]

T = TypeVar("T")

IDENTITY_CLAIM: Final = "moorage"
"""The claim of an access token that says who it is of, beyond what `sub` says."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Identity:
    """Someone who has logged in.

    Attributes:
        principal: as rules know them.
        bound: what has to be as it is for tokens to go on: the id of a robot's secret, or a MAC
            of what is kept of a user's password. None where nothing ends them but time.
        ends_at: when the login itself ends, in seconds since the epoch.
    """

    principal: Principal
    bound: str | None = None
    ends_at: float = math.inf

    def to_claim(self) -> dict[str, object]:
        """Return what a token says of it. The grants of robots are left to their records."""
        principal = self.principal
        claim: dict[str, object] = {"kind": principal.kind, "name": principal.name}
        if self.bound is not None:
            claim["bound"] = self.bound
        if principal.groups:
            claim["groups"] = sorted(principal.groups)
        if principal.claims:
            claim["claims"] = dict(principal.claims)
        if principal.grants is not None and principal.kind != "robot":
            claim["grants"] = [
                {"repositories": str(grant.repositories), "actions": sorted(grant.actions)}
                for grant in principal.grants
            ]
        return claim

    @classmethod
    def parse(cls, claim: object) -> "Identity":
        """Read what `to_claim` has written.

        Raises:
            ValueError: this is something else.
        """
        said = _expect(claim, dict)
        kind = _expect(said.get("kind"), str)
        if kind not in get_args(PrincipalKind):
            raise ValueError("it is of nobody of a known kind")
        grants, bound = said.get("grants"), said.get("bound")
        claims = _expect(said.get("claims", {}), dict)
        groups = _expect(said.get("groups", []), list)
        principal = Principal(
            kind=kind,  # type: ignore[arg-type] # one of the Literal's values, as was just seen
            name=_expect(said.get("name"), str),
            groups=frozenset(_expect(group, str) for group in groups),
            claims=MappingProxyType({name: _expect(text, str) for name, text in claims.items()}),
            grants=None if grants is None else tuple(map(_parse_grant, _expect(grants, list))),
        )
        return cls(principal=principal, bound=None if bound is None else _expect(bound, str))


def _parse_grant(entry: object) -> Grant:
    said = _expect(entry, dict)
    actions = _expect(said.get("actions"), list)
    return Grant(
        RepositoryPattern(_expect(said.get("repositories"), str)),
        frozenset(_expect(action, str) for action in actions),
    )


def _expect(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"a {kind.__name__} is none")  # noqa: TRY004 - content, and no argument
    return value
