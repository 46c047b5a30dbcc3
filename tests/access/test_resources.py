"""Scopes as Docker writes them, patterns of repositories, and grants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access import Access, Grant, RepositoryPattern, format_scope, parse_scope
from core.access.resources import MAX_SCOPES

__all__: list[str] = []


def test_a_scope_names_resources_and_actions_in_their_order() -> None:
    text = "repository:team/app:pull,push repository(plugin):base:pull registry:catalog:*"
    assert parse_scope(text) == (
        Access("repository", "team/app", ("pull", "push")),
        Access("repository", "base", ("pull",)),
        Access("registry", "catalog", ("*",)),
    )


def test_a_resource_that_is_named_twice_is_one_with_all_of_its_actions() -> None:
    assert parse_scope("repository:a:pull repository:a:push,pull") == (
        Access.repository("a", "pull", "push"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "repository:a",
        "repository:a:",
        "repository::pull",
        ":a:pull",
        "repository:a:pull,",
        "repository:a:PULL",
        "repository:Team/app:pull",
        "repository:team//app:pull",
        "repository:../etc:pull",
        'repository:a":pull',
        "repository:a\r\nX: y:pull",
        "repository:a%2Fb:pull",
        "repository:ａ:pull",
        f"repository:{'a' * 256}:pull",
        " ".join(f"repository:a{number}:pull" for number in range(MAX_SCOPES + 1)),
        "x" * 20_000,
    ],
)
def test_a_scope_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="scope"):
        parse_scope(text)


@given(
    st.lists(
        st.builds(
            Access.repository,
            st.from_regex(r"[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,2}", fullmatch=True),
            st.sampled_from(["pull", "push", "delete", "*"]),
        ),
        unique_by=lambda access: access.name,
        max_size=5,
    )
)
def test_what_was_formatted_is_parsed_to_the_same(wanted: list[Access]) -> None:
    assert parse_scope(format_scope(wanted)) == tuple(wanted)


def test_an_access_allows_what_is_within_it_and_a_star_allows_every_action() -> None:
    pull_push = Access.repository("a", "pull", "push")
    assert pull_push.allows(Access.repository("a", "push"))
    assert not pull_push.allows(Access.repository("a", "pull", "delete"))
    assert not pull_push.allows(Access.repository("b", "pull"))
    assert not pull_push.allows(Access("registry", "a", ("pull",)))
    assert Access.repository("a", "*").allows(Access.repository("a", "pull", "delete"))


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("team/app", ["team/app"], ["team/apps", "team", "team/app/ui", "xteam/app"]),
        ("team/*", ["team/app", "team/b-c"], ["team", "team/app/ui", "teams/app"]),
        ("team/**", ["team/app", "team/app/ui"], ["team", "teams/app"]),
        ("**", ["a", "a/b", "a/b/c"], []),
        ("*", ["a"], ["a/b"]),
        ("team-*/app", ["team-a/app"], ["team-a/b/app", "team/app"]),
        ("*/app/**", ["a/app/x", "b/app/x/y"], ["app/x", "a/b/app/x", "a/app"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_a_pattern_matches_whole_names_component_by_component(
    pattern: str, matching: list[str], others: list[str]
) -> None:
    compiled = RepositoryPattern(pattern)
    assert [name for name in matching + others if compiled.matches(name)] == matching


@pytest.mark.parametrize("text", ["", "a/", "/a", "a//b", "**/a", "a**", "a/b**", "A", "a b", "a?"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"names|component"):
        RepositoryPattern(text)


def test_a_grant_of_push_covers_tag_and_one_of_pull_covers_list() -> None:
    grant = Grant(RepositoryPattern("team/*"), frozenset({"push"}))
    assert grant.allows("tag", "team/app")
    assert not grant.allows("list", "team/app")
    assert not grant.allows("push", "other/app")
    assert Grant(RepositoryPattern("**"), frozenset({"*"})).allows("delete", "a/b")
