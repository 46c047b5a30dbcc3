"""Ordered rules: the first that speaks decides."""

from collections.abc import Sequence
from typing import Literal

import pytest

from core.access import ANONYMOUS, Grant, Principal, RepositoryPattern
from core.access.rules.policy import Policy, Rule, WriteOnce
from core.access.rules.subjects import Subject
from core.access.rules.wildcards import Wildcards

__all__: list[str] = []

ANN = Principal(kind="user", name="ann")
BOB = Principal(kind="user", name="bob", groups=frozenset({"ops"}))
ROBOT = Principal(
    kind="robot",
    name="ci",
    grants=(Grant(RepositoryPattern("team/*"), frozenset({"pull", "push"})),),
)
JOB = Principal(
    kind="workload",
    name="github:acme/app",
    claims={"repository": "acme/app", "ref": "refs/heads/main"},
)


def rule(
    subjects: str | Sequence[str],
    repositories: str,
    actions: str,
    effect: Literal["allow", "deny"] = "allow",
) -> Rule:
    texts = [subjects] if isinstance(subjects, str) else subjects
    return Rule(
        subjects=tuple(map(Subject.parse, texts)),
        repositories=tuple(map(RepositoryPattern, repositories.split())),
        actions=frozenset(actions.split()),
        effect=effect,
        place="line 1",
    )


def test_without_rules_whoever_is_logged_in_may_do_everything_and_others_nothing() -> None:
    policy = Policy()
    assert policy.allows(ANN, "delete", "any/thing")
    assert not policy.allows(ANONYMOUS, "pull", "any/thing")


def test_what_no_rule_speaks_of_is_denied_once_there_are_rules() -> None:
    policy = Policy(rules=[rule("user:ann", "team/**", "pull")])
    assert policy.allows(ANN, "pull", "team/app")
    assert not policy.allows(ANN, "push", "team/app")
    assert not policy.allows(ANN, "pull", "other/app")
    assert not policy.allows(BOB, "pull", "team/app")
    assert policy.decide(BOB, "pull", "team/app").rule is None


def test_the_first_rule_that_speaks_decides() -> None:
    policy = Policy(
        rules=[
            rule("user:ann", "team/secret", "pull", "deny"),
            rule("authenticated", "team/*", "*"),
            rule("user:ann", "team/secret", "pull"),
        ]
    )
    decision = policy.decide(ANN, "pull", "team/secret")
    assert not decision.allowed
    assert decision.rule is policy.rules[0]
    assert "line 1" in decision.reason
    assert policy.allows(ANN, "push", "team/secret")
    assert policy.allows(BOB, "pull", "team/secret")


@pytest.mark.parametrize(
    ("subject", "included"),
    [
        ("anonymous", {"anonymous", "ann", "bob", "ci", "github:acme/app"}),
        ("authenticated", {"ann", "bob", "ci", "github:acme/app"}),
        ("user:ann", {"ann"}),
        ("user:*", {"ann", "bob"}),
        ("group:ops", {"bob"}),
        ("group:dev", {"ann"}),
        ("robot:ci", {"ci"}),
        ("robot:*", {"ci"}),
        ("workload:github:acme/*", {"github:acme/app"}),
        ("claim:repository=acme/*", {"github:acme/app"}),
        ("claim:ref=refs/heads/release", set()),
        ("claim:actor=*", set()),
    ],
)
def test_a_subject_includes_those_it_names(subject: str, included: set[str]) -> None:
    policy = Policy(
        rules=[rule(subject, "team/*", "pull")], groups={"dev": frozenset({"ann", "ci"})}
    )
    found = {
        asker.name or "anonymous"
        for asker in (ANONYMOUS, ANN, BOB, ROBOT, JOB)
        if policy.decide(asker, "pull", "team/app").rule is not None
    }
    assert found == included


def test_a_denial_of_the_anonymous_says_nothing_of_those_who_are_known() -> None:
    policy = Policy(
        rules=[rule("anonymous", "team/*", "pull", "deny"), rule("anonymous", "**", "pull")]
    )
    assert not policy.allows(ANONYMOUS, "pull", "team/app")
    assert policy.allows(ANN, "pull", "team/app")
    assert policy.allows(ANONYMOUS, "pull", "public/app")


def test_a_rule_of_push_speaks_of_tags_and_one_of_pull_of_lists_for_both_effects() -> None:
    policy = Policy(
        rules=[
            rule("user:ann", "prod/*", "tag", "deny"),
            rule("user:ann", "**", "push pull"),
            rule("user:bob", "**", "list"),
        ]
    )
    assert policy.allows(ANN, "push", "prod/app")
    assert not policy.allows(ANN, "tag", "prod/app")
    assert policy.allows(ANN, "tag", "dev/app")
    assert policy.allows(ANN, "list", "dev/app")
    assert policy.allows(BOB, "list", "dev/app")
    assert not policy.allows(BOB, "pull", "dev/app")


def test_grants_are_a_bound_for_rules_and_decide_where_none_speaks() -> None:
    policy = Policy(
        rules=[
            rule("robot:ci", "team/frozen", "push", "deny"),
            rule("robot:ci", "other/*", "pull"),
        ]
    )
    assert policy.allows(ROBOT, "push", "team/app")
    assert not policy.allows(ROBOT, "push", "team/frozen")
    assert not policy.allows(ROBOT, "pull", "other/app")
    assert not policy.allows(ROBOT, "delete", "team/app")


def test_write_once_names_tags_of_repositories() -> None:
    policy = Policy(
        write_once=[
            WriteOnce(repositories=(RepositoryPattern("prod/**"),), tags=(Wildcards("v*"),))
        ]
    )
    assert policy.is_write_once("prod/app", "v1.0")
    assert not policy.is_write_once("prod/app", "latest")
    assert not policy.is_write_once("dev/app", "v1.0")


def test_anonymous_pulls_are_found_among_the_rules() -> None:
    assert Policy(rules=[rule("anonymous", "public/*", "pull")]).lets_anonymous_pull()
    assert not Policy(rules=[rule("anonymous", "public/*", "pull", "deny")]).lets_anonymous_pull()
    assert not Policy(rules=[rule("authenticated", "**", "*")]).lets_anonymous_pull()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "user:",
        "anonymous:x",
        "authenticated:",
        "claim:ref",
        "claim:=x",
        "User:ann",
        "user:a\nb",
    ],
)
def test_what_is_no_subject_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="subjects such as"):
        Subject.parse(text)
