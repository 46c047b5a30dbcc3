"""What an endpoint needs its asker to be allowed, declared beside it.

    @router.get("/{digest}", ...)
    @needs("pull")
    async def get_blob(...): ...

An application with an endpoint that declares nothing does not start.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from starlette.routing import BaseRoute

from core.access import Access
from core.access.resources import CATALOG

__all__ = [
    "Needs",
    "find_needs",
    "needs",
    "needs_catalog",
    "needs_login",
    "needs_nothing",
    "undeclared",
]

_ATTRIBUTE = "__moorage_needs__"
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., object])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Needs:
    """What an endpoint needs.

    Attributes:
        kind: `nothing`, and anybody may ask; `login`, and it is only found out who asks;
            `catalog`, or actions on the `repository` that the path names.
        actions: that a token must be good for; those of Docker's registry.
        rules: that the rules must allow.
    """

    kind: Literal["nothing", "login", "catalog", "repository"]
    actions: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    def wanted(self, repository: str) -> tuple[Access, ...]:
        """Return what a token is to be asked for."""
        if self.kind == "repository":
            return (Access.repository(repository, *self.actions),)
        return (CATALOG,) if self.kind == "catalog" else ()

    def least(self, repository: str) -> tuple[Access, ...]:
        """Return what a token must be good for.

        Rules may be finer than what clients know to ask for: who may only list tags gets a token
        for that, though it was asked for to pull.
        """
        if self.kind == "repository" and self.rules != self.actions:
            return (Access.repository(repository, *self.rules),)
        return self.wanted(repository)


def needs(
    *actions: Literal["pull", "push", "delete"],
    rule: Literal["list"] | None = None,
) -> Callable[[_Endpoint], _Endpoint]:
    """Declare that an endpoint does `actions` on the repository of its path.

    Args:
        actions: as the scopes of tokens name them.
        rule: the action by which rules know it, where they are finer than scopes.
    """
    rules = actions if rule is None else (rule,)
    return _declare(Needs(kind="repository", actions=actions, rules=rules))


def needs_nothing(endpoint: _Endpoint) -> _Endpoint:
    """Declare that anybody may ask for this, whatever the settings are."""
    return _declare(Needs(kind="nothing"))(endpoint)


def needs_login(endpoint: _Endpoint) -> _Endpoint:
    """Declare that an endpoint is for finding out who asks, and how to prove it."""
    return _declare(Needs(kind="login"))(endpoint)


def needs_catalog(endpoint: _Endpoint) -> _Endpoint:
    """Declare that an endpoint lists repositories; it shows those that the asker may pull."""
    return _declare(Needs(kind="catalog"))(endpoint)


def find_needs(endpoint: object) -> Needs | None:
    """Return what an endpoint has declared."""
    found = getattr(endpoint, _ATTRIBUTE, None)
    return found if isinstance(found, Needs) else None


def undeclared(routes: Iterable[BaseRoute]) -> list[str]:
    """Return the paths of routes that declare nothing, those inside other routers included."""
    found = []
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", None
        )
        if inner:
            found += undeclared(inner)
        elif find_needs(getattr(route, "endpoint", None)) is None:
            found.append(str(getattr(route, "path", route)))
    return found


def _declare(declared: Needs) -> Callable[[_Endpoint], _Endpoint]:
    def declare(endpoint: _Endpoint) -> _Endpoint:
        setattr(endpoint, _ATTRIBUTE, declared)
        return endpoint

    return declare
