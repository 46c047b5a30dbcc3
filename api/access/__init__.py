"""The gate between requests and routes: who asks, and whether they may do what they ask for."""

from api.access.needs import (
    Needs,
    find_needs,
    needs,
    needs_catalog,
    needs_login,
    needs_nothing,
    undeclared,
)

__all__ = [
    "Needs",
    "find_needs",
    "needs",
    "needs_catalog",
    "needs_login",
    "needs_nothing",
    "undeclared",
]
