"""`Policy`: ordered rules that say who may do what, of which the first that speaks decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from core.access.principal import Principal
from core.access.resources import RepositoryPattern, covers
from core.access.rules.subjects import Subject
from core.access.rules.wildcards import Wildcards

__all__ = ["OPEN_TO_USERS", "Decision", "Policy", "Rule", "WriteOnce"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What some may or may not do.

    Attributes:
        subjects: to whom it speaks.
        repositories: of which it speaks.
        actions: of which it speaks; `push` covers `tag`, `pull` covers `list`, `*` is all.
        effect: what it says.
        place: where it is written, for people.
    """

    subjects: tuple[Subject, ...]
    repositories: tuple[RepositoryPattern, ...]
    actions: frozenset[str]
    effect: Literal["allow", "deny"]
    place: str

    def speaks_of(
        self, principal: Principal, groups: frozenset[str], action: str, repository: str
    ) -> bool:
        """Say whether this decides about one action of one asker on one repository."""
        return (
            covers(self.actions, action)
            and any(pattern.matches(repository) for pattern in self.repositories)
            and self._is_of(principal, groups)
        )

    def _is_of(self, principal: Principal, groups: frozenset[str]) -> bool:
        # What is open to nobody in particular is open to everybody; what is closed to those who
        # are not known says nothing of those who are.
        allows = self.effect == "allow"
        return any(
            subject.includes(principal, groups) or (allows and subject.kind == "anonymous")
            for subject in self.subjects
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOnce:
    """Tags that may be created, and never moved or removed."""

    repositories: tuple[RepositoryPattern, ...]
    tags: tuple[Wildcards, ...]

    def covers(self, repository: str, tag: str) -> bool:
        """Say whether a tag of a repository is one of them."""
        return any(pattern.matches(tag) for pattern in self.tags) and any(
            pattern.matches(repository) for pattern in self.repositories
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is decided, and why.

    Attributes:
        rule: that decided; None where none did.
        reason: a sentence for people.
    """

    allowed: bool
    rule: Rule | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All rules. Without any, who is known may do everything, and who is not may do nothing.

    Whoever brings a token of nobody in particular may do what that is good for.

    Attributes:
        rules: in their order.
        write_once: tags that stay where they are.
        groups: names of users by the name of their group, beside what credentials vouch for.
    """

    rules: Sequence[Rule] = ()
    write_once: Sequence[WriteOnce] = ()
    groups: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))

    def decide(self, principal: Principal, action: str, repository: str) -> Decision:
        """Say whether an asker may do one action on a repository: the first rule that speaks.

        What the credentials themselves grant at most is a bound for every rule, and decides where
        no rule speaks. The scope of a token is not looked at.
        """
        grants = principal.grants
        if grants is not None and not any(grant.allows(action, repository) for grant in grants):
            return _denied(f"{principal.subject} was not given this")
        groups = self.groups_of(principal)
        for rule in self.rules:
            if rule.speaks_of(principal, groups, action, repository):
                reason = f"the rule at {rule.place} says {rule.effect}"
                return Decision(allowed=rule.effect == "allow", rule=rule, reason=reason)
        if grants is not None:
            return _allowed(f"{principal.subject} was given this, and no rule speaks of it")
        if self.rules:
            return _denied("no rule speaks of it")
        if principal.kind == "anonymous" and principal.scope is None:
            return _denied("there are no rules, and nobody is logged in")
        return _allowed("there are no rules, and who is logged in may do everything")

    def allows(self, principal: Principal, action: str, repository: str) -> bool:
        """Say whether `decide` allows it."""
        return self.decide(principal, action, repository).allowed

    def lets_anonymous_pull(self) -> bool:
        """Say whether there is anything that nobody in particular may pull."""
        return any(
            rule.effect == "allow"
            and covers(rule.actions, "pull")
            and any(subject.kind == "anonymous" for subject in rule.subjects)
            for rule in self.rules
        )

    def is_write_once(self, repository: str, tag: str) -> bool:
        """Say whether a tag may only be created."""
        return any(entry.covers(repository, tag) for entry in self.write_once)

    def groups_of(self, principal: Principal) -> frozenset[str]:
        """Return the groups of an asker: those of the rules, and those its credentials tell."""
        if principal.kind != "user" or not self.groups:
            return principal.groups
        own = (name for name, members in self.groups.items() if principal.name in members)
        return principal.groups | frozenset(own)


OPEN_TO_USERS: Final = Policy()


def _allowed(reason: str) -> Decision:
    return Decision(allowed=True, rule=None, reason=reason)


def _denied(reason: str) -> Decision:
    return Decision(allowed=False, rule=None, reason=reason)
