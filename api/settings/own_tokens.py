"""What the registry says of itself in its own tokens, and how long they and their keys last."""

from typing import Annotated, Final

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_settings import NoDecode

from api.settings.groups import Group, about, split_list

__all__ = ["MAX_ACCESS_TOKEN_SECONDS", "OwnTokenSettings"]

MAX_ACCESS_TOKEN_SECONDS: Final = 24 * 3600


Service = Annotated[str, StringConstraints(pattern=r"^[!#-\[\]-~]{1,255}$")]
Services = Annotated[tuple[Service, ...], NoDecode, BeforeValidator(split_list)]


class OwnTokenSettings(Group):
    """The registry as its own token server."""

    realm: str | None = Field(
        None,
        pattern=r"^https?://[!#-\[\]-~]+$",
        description="URL of the token endpoint as clients reach it, such as "
        "`https://registry.example.com/token`; without it, `/token` at the scheme and host that "
        "the client used.",
        json_schema_extra=about(unit="", off="unset"),
    )
    issuer: str = Field(
        "moorage",
        min_length=1,
        max_length=255,
        description="What tokens say who made them (`iss`). Another registry that takes them "
        "has to be told it.",
        json_schema_extra=about(unit="", off=""),
    )
    service: Service = Field(
        "moorage",
        description="What tokens for this registry say who they are for (`aud`), the same on all "
        "of its nodes whatever their hosts are called.",
        json_schema_extra=about(unit="", off=""),
    )
    other_services: Services = Field(
        (),
        description="Services of other registries that send their clients here for tokens. The "
        "rules here decide what is allowed there.",
        json_schema_extra=about(unit="", off="`[]`"),
    )
    access_token_seconds: int = Field(
        300,
        ge=60,
        le=MAX_ACCESS_TOKEN_SECONDS,
        description="How long an access token is good. Clients get the next by themselves.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    refresh_token_days: int = Field(
        30,
        ge=0,
        le=365,
        description="How long after a login clients get tokens without the password. A change of "
        "the password ends it at once.",
        json_schema_extra=about(unit="days", off="`0`"),
    )
    key_rotation_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="Age at which the key that signs tokens is replaced. Old keys verify until "
        "the last of their tokens has expired.",
        json_schema_extra=about(unit="days", off=""),
    )

    def services(self) -> tuple[str, ...]:
        """Give every service that tokens are made for, this registry first."""
        return tuple(dict.fromkeys((self.service, *self.other_services)))
