"""Who may do what: ordered rules, groups of users, and tags that never move."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from api.settings.groups import Group, about
from core.access import ACTIONS, RepositoryPattern
from core.access.rules.policy import Policy, Rule, WriteOnce
from core.access.rules.subjects import Subject
from core.access.rules.wildcards import Wildcards

__all__ = ["PolicySettings", "RuleSettings", "WriteOnceSettings"]

_ACTIONS = (*ACTIONS, "*")
_TAGS = re.compile(r"[A-Za-z0-9_.*-]{1,128}")


def _check_all(parse: Callable[[str], object]) -> AfterValidator:
    def check(values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            parse(value)
        return values

    return AfterValidator(check)


def _check_action(text: str) -> None:
    if text not in _ACTIONS:
        raise ValueError(f"actions among {', '.join(_ACTIONS)}, not {text!r}")


def _check_tags(text: str) -> None:
    if _TAGS.fullmatch(text) is None:
        raise ValueError(f"a pattern of tags is a tag with `*`, not {text!r}")


Subjects = Annotated[tuple[str, ...], Field(min_length=1), _check_all(Subject.parse)]
Repositories = Annotated[tuple[str, ...], Field(min_length=1), _check_all(RepositoryPattern)]


class RuleSettings(Group):
    """One rule. `docs/access.md` says how they are read."""

    subjects: Subjects
    repositories: Repositories
    actions: Annotated[tuple[str, ...], Field(min_length=1), _check_all(_check_action)]
    effect: Literal["allow", "deny"] = "allow"


class WriteOnceSettings(Group):
    """Tags that may be created, and never moved or removed."""

    tags: Annotated[tuple[str, ...], Field(min_length=1), _check_all(_check_tags)]
    repositories: Repositories = ("**",)


class PolicySettings(Group):
    """Who may do what. The service follows changes of this table in its file."""

    rules: tuple[RuleSettings, ...] = Field(
        (),
        description="Tables `[[policy.rules]]` with `subjects`, `repositories`, `actions` and "
        "`effect` (`allow` or `deny`); the first that speaks of a request decides, and without "
        "any rule those who are logged in may do everything.",
        json_schema_extra=about(unit="", off="`[]`"),
    )
    write_once: tuple[WriteOnceSettings, ...] = Field(
        (),
        description="Tables `[[policy.write_once]]` with `tags` and `repositories`: tags that may "
        "be created, and never moved or removed.",
        json_schema_extra=about(unit="", off="`[]`"),
    )
    groups: Mapping[str, tuple[str, ...]] = Field(
        {},
        description="Users by the name of their group, for subjects such as `group:dev`.",
        json_schema_extra=about(unit="", off="`{}`"),
    )

    def policy(self, places: Callable[[int], str] = "rule {}".format) -> Policy:
        """Return the rules in the form in which they are asked.

        Args:
            places: says where the rule of a number is written.
        """
        return Policy(
            rules=tuple(
                Rule(
                    subjects=tuple(map(Subject.parse, rule.subjects)),
                    repositories=tuple(map(RepositoryPattern, rule.repositories)),
                    actions=frozenset(rule.actions),
                    effect=rule.effect,
                    place=places(number),
                )
                for number, rule in enumerate(self.rules)
            ),
            write_once=tuple(
                WriteOnce(
                    repositories=tuple(map(RepositoryPattern, entry.repositories)),
                    tags=tuple(map(Wildcards, entry.tags)),
                )
                for entry in self.write_once
            ),
            groups={name: frozenset(members) for name, members in self.groups.items()},
        )
