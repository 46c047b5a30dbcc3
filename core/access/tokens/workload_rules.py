"""Rules that say which workloads of another issuer may do what, by the claims of their tokens."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from core.access.controller import CredentialsInvalid
from core.access.principal import Principal
from core.access.resources import ACTIONS, Grant, RepositoryPattern
from core.access.tokens.claims import MAX_NAME_CHARACTERS, claim_at, scalar_text
from core.storage.names import NAME_PATTERN

__all__ = ["WorkloadRule", "matches_glob"]

_PLACEHOLDER: Final = re.compile(r"\{([^{}]+?)(:lower)?\}")
_NAME: Final = re.compile(NAME_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRule:
    """What the workloads with certain claims are called, and what they may do.

    In `name` and `repositories`, `{claim}` stands for the text of a claim, and `{claim:lower}`
    for it in lower case. A claim inside others is named with dots.

    Attributes:
        issuer: of their tokens.
        claims: what each of these has to be: a text, in which `*` stands for any characters. Of
            a claim that is a list, one entry has to be it.
        name: of the workload.
        repositories: patterns; what is put in has to be the name of a repository, or several
            parts of one, and so never a wildcard.
        actions: on those repositories; `*` is each.
        lifetime_seconds: for which a token proves this, whenever it expires itself.
    """

    issuer: str
    claims: Mapping[str, str]
    name: str
    repositories: Sequence[str]
    actions: frozenset[str]
    lifetime_seconds: float = 3600

    def __post_init__(self) -> None:
        """Check what can be checked without a token.

        Raises:
            ValueError: the rule would hold for every token of the issuer, or could never be
                followed.
        """
        if all(not pattern.strip("*") for pattern in self.claims.values()):
            # Issuers such as those of CI services give a token to anybody.
            raise ValueError("a rule names a claim, and what it has to be")
        if not self.actions or not self.actions <= {*ACTIONS, "*"}:
            raise ValueError(f"actions are some of {', '.join(ACTIONS)}")
        if not self.repositories or self.lifetime_seconds <= 0:
            raise ValueError("a rule grants something, for a time")
        for template in (self.name, *self.repositories):
            bare = _PLACEHOLDER.sub("x", template)
            if not bare or "{" in bare or "}" in bare:
                raise ValueError(f"a claim is put in as {{claim}}, not as in {template!r}")
        for template in self.repositories:
            RepositoryPattern(_PLACEHOLDER.sub("x", template))

    def unmatched(self, claims: Mapping[str, object]) -> str | None:
        """Return the name of the first claim that is not as it has to be; None if all are."""
        for name, pattern in self.claims.items():
            value = claim_at(claims, name)
            texts = map(scalar_text, value if isinstance(value, list) else [value])
            if not any(text is not None and matches_glob(pattern, text) for text in texts):
                return name
        return None

    def principal(self, claims: Mapping[str, object], *, now: float) -> Principal:
        """Return the workload with these claims, which match.

        Its own claims are those that the rule speaks of, and `iss` and `sub`.

        Raises:
            CredentialsInvalid: a claim cannot be put where the rule wants it.
        """
        name = _PLACEHOLDER.sub(lambda match: _text(claims, match), self.name)
        if len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
            raise CredentialsInvalid("the claims make no name that can be printed")
        grants = tuple(
            Grant(_pattern(claims, template), self.actions) for template in self.repositories
        )
        spoken_of = {"iss": None, "sub": None, **dict.fromkeys(self.claims)}
        for template in (self.name, *self.repositories):
            spoken_of.update(dict.fromkeys(match[1] for match in _PLACEHOLDER.finditer(template)))
        texts = {claim: scalar_text(claim_at(claims, claim)) for claim in spoken_of}
        return Principal(
            kind="workload",
            name=name,
            claims=MappingProxyType(
                {claim: text for claim, text in texts.items() if text is not None}
            ),
            grants=grants,
            valid_until=now + self.lifetime_seconds,
        )

    def makes(self, workload: Principal) -> bool:
        """Say whether a workload with these claims is called so, and may do that.

        Claims that are lists are not kept, and do not count.
        """
        kept = workload.claims
        if not all(
            matches_glob(self.claims[name], kept[name]) for name in self.claims.keys() & kept
        ):
            return False
        try:
            made = self.principal(kept, now=0)
        except CredentialsInvalid:
            return False
        return (made.name, made.grants) == (workload.name, workload.grants)


def matches_glob(pattern: str, text: str) -> bool:
    """Say whether `text` is `pattern`, in which each `*` stands for any characters or none.

    The time is proportional to the text, whatever the pattern.
    """
    if "*" not in pattern:
        return text == pattern
    first, *middle, last = pattern.split("*")
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _text(claims: Mapping[str, object], match: re.Match[str]) -> str:
    text = scalar_text(claim_at(claims, match[1]))
    if not text:
        raise CredentialsInvalid(f"there is no text in the claim {match[1]}")
    return text.lower() if match[2] else text


def _pattern(claims: Mapping[str, object], template: str) -> RepositoryPattern:
    def put_in(match: re.Match[str]) -> str:
        text = _text(claims, match)
        if _NAME.fullmatch(text) is None:
            raise CredentialsInvalid(f"the claim {match[1]} is no name of a repository")
        return text

    try:
        return RepositoryPattern(_PLACEHOLDER.sub(put_in, template))
    except ValueError:
        raise CredentialsInvalid("the claims make no pattern of repositories") from None
