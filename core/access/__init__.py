"""Who asks, and what they may do: values, rules and the ways to find out. It knows no HTTP."""

from core.access.controller import AccessController, Asker, Challenge, CredentialsInvalid
from core.access.principal import ANONYMOUS, Principal, PrincipalKind
from core.access.resources import (
    ACTIONS,
    Access,
    Grant,
    RepositoryPattern,
    format_scope,
    parse_scope,
)

__all__ = [
    "ACTIONS",
    "ANONYMOUS",
    "Access",
    "AccessController",
    "Asker",
    "Challenge",
    "CredentialsInvalid",
    "Grant",
    "Principal",
    "PrincipalKind",
    "RepositoryPattern",
    "format_scope",
    "parse_scope",
]
