"""What tokens say of whom they are of, and how much of what is asked for goes into them."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access import Access, Grant, Principal, RepositoryPattern
from core.access.tokens.identity import Identity
from core.access.tokens.service import limit_access
from tests.access.token_nodes import TEAM

__all__: list[str] = []

_ACTIONS = ("pull", "push", "delete", "*")


@pytest.mark.parametrize(
    "claim",
    [
        None,
        [],
        {},
        {"kind": "god", "name": "x"},
        {"kind": "user", "name": 1},
        {"kind": "user", "name": "x", "groups": "staff"},
        {"kind": "workload", "name": "x", "grants": [{"repositories": "**"}]},
        {"kind": "workload", "name": "x", "grants": [{"repositories": "A", "actions": []}]},
        {"kind": "user", "name": "x", "bound": 1},
        {"kind": "user", "name": "x", "claims": {"a": 1}},
    ],
)
def test_a_claim_that_says_nobody_is_refused(claim: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has its reason
        Identity.parse(claim)


def test_an_identity_is_read_back_from_its_claim_as_it_was() -> None:
    principal = Principal(
        kind="workload",
        name="job",
        groups=frozenset({"a", "b"}),
        claims=MappingProxyType({"c": "d"}),
        grants=(TEAM,),
    )
    read = Identity.parse(Identity(principal=principal, bound="x").to_claim())
    for name in ("kind", "name", "groups", "claims", "grants"):
        assert getattr(read.principal, name) == getattr(principal, name)
    assert read.bound == "x"


@given(
    wanted=st.lists(
        st.tuples(
            st.sampled_from(["team/app", "base/x"]), st.lists(st.sampled_from(_ACTIONS), min_size=1)
        ),
        max_size=4,
    ),
    granted=st.lists(st.sampled_from(_ACTIONS), max_size=3),
    ruled=st.lists(st.sampled_from(_ACTIONS), max_size=3),
)
def test_nobody_gets_what_was_not_asked_for_granted_and_allowed(
    wanted: list[tuple[str, list[str]]], granted: list[str], ruled: list[str]
) -> None:
    grant = Grant(RepositoryPattern("team/*"), frozenset(granted))
    principal = Principal(kind="robot", name="ci", grants=(grant,))
    asked = [Access("repository", name, tuple(actions)) for name, actions in wanted]
    given_access = limit_access(
        principal, asked, lambda _, access: Access(access.type, access.name, tuple(ruled))
    )
    for access in given_access:
        assert access.actions
        for action in access.actions:
            assert action in {"pull", "push", "delete"}
            assert grant.allows(action, access.name)
            assert action in ruled or "*" in ruled
            assert any(
                entry.name == access.name and (action in entry.actions or "*" in entry.actions)
                for entry in asked
            )
