"""Who is let in: which controller finds out who asks, and a table of settings for each."""

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from api.settings.access_tokens import ExternalTokenSettings, FederationSettings
from api.settings.groups import Group, about
from api.settings.own_tokens import OwnTokenSettings

__all__ = ["AccessSettings", "PasswordFileSettings"]

OPEN = "none"


class PasswordFileSettings(Group):
    """The file of users and their passwords."""

    file: Path | None = Field(
        None,
        description="File of users and bcrypt hashes, as `moorage users add` or `htpasswd -B` "
        "writes it; followed when it changes.",
        json_schema_extra=about(unit="", off="unset"),
    )
    remember_seconds: int = Field(
        60,
        ge=0,
        le=3600,
        description="How long a password that was right is not computed again; a change of the "
        "file ends it at once.",
        json_schema_extra=about(unit="seconds", off="0 computes for each request"),
    )


class AccessSettings(Group):
    """Which controller finds out who asks, and a table of settings for each.

    A table that is not declared here belongs to the controller of that name, which checks it.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]]

    controller: str = Field(
        OPEN,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        description="What finds out who asks: `none` lets everybody do everything, `htpasswd` "
        "takes passwords, `moorage` gives tokens for passwords, robots and workloads, `token` "
        "takes the tokens of another server; or one that an installed package names in the entry "
        "point group `moorage.access`.",
        json_schema_extra=about(unit="", off="`none`"),
    )
    realm: str = Field(
        "Moorage",
        pattern=r"^[ !#-\[\]-~]{1,100}$",
        description="What clients that ask for a password tell it is for.",
        json_schema_extra=about(unit="", off=""),
    )
    allow_open: bool = Field(
        False,
        description="Whether `moorage serve` may listen on other addresses than loopback with "
        '`controller = "none"`, where everybody who reaches it may push and delete.',
        json_schema_extra=about(unit="", off="`false`"),
    )
    state_directory: Path | None = Field(
        None,
        description="Directory for the registry's own secrets, keys and robots, shared by all "
        "nodes; unset keeps them in the store, below `_moorage/access`.",
        json_schema_extra=about(unit="", off="unset"),
    )
    htpasswd: PasswordFileSettings = PasswordFileSettings()
    token: ExternalTokenSettings = ExternalTokenSettings()
    tokens: OwnTokenSettings = OwnTokenSettings()
    federation: FederationSettings = FederationSettings()

    def options_of(self, name: str) -> dict[str, Any]:
        """Give the settings of a controller that is not declared here; empty without a table.

        Values that came from environment variables are text: the controller converts them.
        """
        return dict(self.__pydantic_extra__.get(name, {}))

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who they are."""
        return self.controller == OPEN
