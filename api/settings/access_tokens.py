"""Tokens that others sign: those of a token server, and those of issuers such as a CI service."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from api.settings.groups import Group, TextList, about
from core.access.tokens import ALGORITHMS, WorkloadRule, check_address

__all__ = [
    "ExternalTokenSettings",
    "FederationSettings",
    "IssuerSettings",
    "VerifyingSettings",
    "WorkloadRuleSettings",
]


def _check_algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not set(value) <= set(ALGORITHMS):
        raise ValueError(f"some of {', '.join(ALGORITHMS)}")
    return value


def _check_key_set(value: str | None) -> str | None:
    if value is not None and "://" in value:
        check_address(value)
    return value or None


def _parse_tables(value: object) -> object:
    """Take the text of a variable, which is a JSON array."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("a JSON array of tables") from None


class VerifyingSettings(Group):
    """How tokens that others sign are verified, and how their keys are had."""

    leeway_seconds: float = Field(
        60,
        ge=0,
        le=600,
        description="By how much the clocks of those who make the tokens may differ from the one "
        "here.",
        json_schema_extra=about(unit="seconds", off="0"),
    )
    refresh_seconds: float = Field(
        3600,
        ge=60,
        description="How long keys from an address are used before they are fetched again; "
        "sooner if the answer says so. They stay in force while nobody answers.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    retry_seconds: float = Field(
        10,
        ge=1,
        description="How long after keys were fetched, or could not be, a token of an unknown "
        "key has them fetched again at the earliest.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    ca_certificates: Path | None = Field(
        None,
        description="File of authorities in PEM that vouch for the hosts of the keys, in place "
        "of the usual ones.",
        json_schema_extra=about(unit="", off="unset"),
    )


class ExternalTokenSettings(VerifyingSettings):
    """The server whose tokens are believed, where `access.controller` is `token`."""

    realm: str | None = Field(
        None,
        pattern=r"^(https?://|/)[!#-\[\]-~]+$",
        description="Address where clients get a token, which every challenge names. A path, such "
        "as `/auth/token`, is one at the scheme and host that the client used.",
        json_schema_extra=about(unit="", off=""),
    )
    issuer: str | None = Field(
        None,
        min_length=1,
        description="What the tokens have to name as `iss`, to the letter.",
        json_schema_extra=about(unit="", off=""),
    )
    service: str | None = Field(
        None,
        pattern=r"^[!#-\[\]-~]+$",
        description="What this registry is called at the token server; challenges name it.",
        json_schema_extra=about(unit="", off=""),
    )
    audiences: TextList = Field(
        (),
        description="Of which a token has to name one as `aud`; without any, the service.",
        json_schema_extra=about(unit="", off=""),
    )
    jwks: str | None = Field(
        None,
        description="Keys that tokens are signed with: a file with a JWK Set, or its address, "
        "`https://` or on this very host `http://`. A file is read again when it changes.",
        json_schema_extra=about(unit="", off="unset"),
    )
    root_certificates: Path | None = Field(
        None,
        description="File of certificates in PEM that vouch for keys in `x5c` and may sign "
        "tokens themselves; read again when it changes.",
        json_schema_extra=about(unit="", off="unset"),
    )
    algorithms: TextList = Field(
        ALGORITHMS,
        description="What tokens may be signed with; `none` and HMAC never.",
        json_schema_extra=about(unit="", off=""),
    )
    groups_claim: str | None = Field(
        None,
        min_length=1,
        description="Claim that has the groups of the user, a text or a list of texts; one inside "
        "others is named with dots.",
        json_schema_extra=about(unit="", off="unset"),
    )
    claims: TextList = Field(
        (),
        description="Further claims that policies may ask for.",
        json_schema_extra=about(unit="", off="`[]`"),
    )

    _check_algorithms = field_validator("algorithms")(_check_algorithms)
    _check_jwks = field_validator("jwks")(_check_key_set)


class IssuerSettings(Group):
    """One issuer of ID tokens."""

    url: str = Field(
        description="What its tokens name as `iss`, to the letter; `https://`, or on this very "
        "host `http://`.",
        json_schema_extra=about(unit="", off=""),
    )
    audiences: TextList = Field(
        description="Of which a token has to name one as `aud`, such as the URL of this registry.",
        json_schema_extra=about(unit="", off=""),
    )
    jwks: str | None = Field(
        None,
        description="Its keys, if not found by its configuration: a file, or an address.",
        json_schema_extra=about(unit="", off="unset: found by OpenID Connect Discovery"),
    )
    algorithms: TextList = Field(
        ALGORITHMS,
        description="What its tokens may be signed with.",
        json_schema_extra=about(unit="", off=""),
    )

    _check_algorithms = field_validator("algorithms")(_check_algorithms)
    _check_jwks = field_validator("jwks")(_check_key_set)

    @field_validator("audiences")
    @classmethod
    def _check_audiences(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("at least one, so that tokens for others are not taken")
        return value

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        check_address(value)
        return value


def _as_text(value: object) -> object:
    """Take numbers and truth values as the texts that claims are compared as."""
    if isinstance(value, dict):
        return {
            name: json.dumps(inner) if isinstance(inner, bool | int | float) else inner
            for name, inner in value.items()
        }
    return value


class WorkloadRuleSettings(Group):
    """Which workloads may do what; the first rule whose claims match decides."""

    issuer: str = Field(
        description="URL of the issuer, one of those that are trusted.",
        json_schema_extra=about(unit="", off=""),
    )
    claims: Annotated[dict[str, str], BeforeValidator(_as_text)] = Field(
        description="What each of these claims has to be; `*` stands for any characters. Of a "
        "claim that is a list, one entry has to be it.",
        json_schema_extra=about(unit="", off=""),
    )
    name: str = Field(
        description="What the workload is called in policies and logs; `{claim}` puts in a claim.",
        json_schema_extra=about(unit="", off=""),
    )
    repositories: TextList = Field(
        description="Patterns of repositories; `{claim}` and `{claim:lower}` put in a claim, "
        "which has to be the name of a repository.",
        json_schema_extra=about(unit="", off=""),
    )
    actions: TextList = Field(
        ("pull", "push"),
        description="What may be done there: `pull`, `push`, `delete`, `tag`, `list`, or `*`.",
        json_schema_extra=about(unit="", off=""),
    )
    lifetime_seconds: float = Field(
        3600,
        gt=0,
        le=86400,
        description="How long a token proves this, whenever it expires itself.",
        json_schema_extra=about(unit="seconds", off=""),
    )

    @model_validator(mode="after")
    def _check(self) -> "WorkloadRuleSettings":
        self.rule()
        return self

    def rule(self) -> WorkloadRule:
        """Return the rule that this describes.

        Raises:
            ValueError: it would hold for everybody, or could never be followed.
        """
        return WorkloadRule(
            issuer=self.issuer,
            claims=self.claims,
            name=self.name,
            repositories=self.repositories,
            actions=frozenset(self.actions),
            lifetime_seconds=self.lifetime_seconds,
        )


class FederationSettings(VerifyingSettings):
    """Workloads that need no secret, since another issuer vouches for them."""

    issuers: Annotated[tuple[IssuerSettings, ...], NoDecode, BeforeValidator(_parse_tables)] = (
        Field(
            (),
            description="Tables, one for each issuer whose ID tokens are taken.",
            json_schema_extra=about(unit="", off="`[]`"),
        )
    )
    rules: Annotated[tuple[WorkloadRuleSettings, ...], NoDecode, BeforeValidator(_parse_tables)] = (
        Field(
            (),
            description="Tables, in the order in which they are tried on a token; what none is "
            "for is refused.",
            json_schema_extra=about(unit="", off="`[]`"),
        )
    )

    @model_validator(mode="after")
    def _check_issuers(self) -> "FederationSettings":
        urls = [issuer.url for issuer in self.issuers]
        if len(set(urls)) != len(urls):
            raise ValueError("each issuer once")
        for number, rule in enumerate(self.rules, start=1):
            if rule.issuer not in urls:
                raise ValueError(f"rule {number} to be of one of the issuers")
        return self
