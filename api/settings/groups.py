"""The groups of settings, each field with its default, its unit and what switches it off.

`docs/configuration.md` is rendered from these declarations, so a field is documented here and
nowhere else.
"""

import json
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

from api.serving.forwarded_headers import Network, parse_host
from api.settings.durations import PositiveDuration

__all__ = [
    "DEFAULT_REDIS_URL",
    "DeleteSettings",
    "Group",
    "ListsSettings",
    "LogSettings",
    "ManifestsSettings",
    "RedisURL",
    "ServerSettings",
    "UploadsSettings",
    "about",
    "split_list",
]

_PORT_MAX = 65535
_UNIX = "unix"


class Group(BaseModel):
    """A table of settings that cannot change once read and knows all of its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def about(*, unit: str, off: str) -> dict[str, Any]:
    """Say in what a setting is measured, and what switches it off."""
    return {"unit": unit, "off": off}


def split_list(value: object) -> object:
    """Take the text of a variable: a JSON array, or entries with commas between them."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("a JSON array of texts, or texts with commas between them") from None
    return [entry.strip() for entry in value.split(",") if entry.strip()]


TextList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_list)]
"""A list of texts; `NoDecode` leaves the reading of a variable to the validator."""


def _check_redis_url(text: str) -> str:
    parts = urlsplit(text)
    try:
        is_sane = parts.scheme == "unix" or parts.port != 0
    except ValueError:
        is_sane = False
    if not is_sane or (parts.scheme != "unix" and not re.fullmatch(r"/?[0-9]*", parts.path)):
        raise ValueError("numbers as port and as database, and `%2F` for `/` in a password")
    return text


RedisURL = Annotated[
    str,
    AfterValidator(_check_redis_url),
    Field(
        pattern=r"^(redis|rediss|unix)://\S+$",
        description="Where Redis is, as `redis://user:password@host:port/database`; `rediss` is "
        "the same over TLS.",
        json_schema_extra=about(unit="", off=""),
    ),
]
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"


class ServerSettings(Group):
    """Where the service listens and what it allows a connection."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address or host name to listen on; `0.0.0.0` or `::` is every interface.",
        json_schema_extra=about(unit="", off=""),
    )
    port: int = Field(
        5000,
        ge=0,
        le=_PORT_MAX,
        description="TCP port to listen on; 0 takes a free one and logs it.",
        json_schema_extra=about(unit="", off=""),
    )
    workers: int = Field(
        1,
        ge=1,
        description="Processes that serve the port together, all over the same store.",
        json_schema_extra=about(unit="processes", off=""),
    )
    shutdown_timeout_seconds: int = Field(
        30,
        ge=0,
        description="How long running transfers may go on after a stop was asked for.",
        json_schema_extra=about(unit="seconds", off="0 cuts them at once"),
    )
    keep_alive_timeout_seconds: int = Field(
        75,
        ge=0,
        description="How long a connection may stay open with nothing asked for.",
        json_schema_extra=about(unit="seconds", off="0 closes after each answer"),
    )
    header_timeout_seconds: int = Field(
        10,
        ge=0,
        description="How long a client may take to send a request line and its headers.",
        json_schema_extra=about(unit="seconds", off="0 waits for ever"),
    )
    max_header_bytes: int = Field(
        65536,
        ge=1024,
        description="Largest request line with its headers; more is refused with 431.",
        json_schema_extra=about(unit="bytes", off=""),
    )
    max_header_count: int = Field(
        128,
        ge=8,
        description="Most header fields in a request; more is refused with 431.",
        json_schema_extra=about(unit="headers", off=""),
    )
    trusted_proxies: TextList = Field(
        (),
        description="Addresses and networks of the proxies whose `Forwarded` and `X-Forwarded-*` "
        "headers are believed; `unix` is every peer over a unix socket.",
        json_schema_extra=about(unit="", off="`[]` believes nobody"),
    )
    locations: Literal["relative", "absolute"] = Field(
        "relative",
        description="Whether `Location` headers are paths or whole URLs, for clients that cannot "
        "resolve a path.",
        json_schema_extra=about(unit="", off="`relative`"),
    )
    external_url: str | None = Field(
        None,
        description="What absolute locations begin with, such as `https://registry.example.com`; "
        "without it, the scheme and host that the client used.",
        json_schema_extra=about(unit="", off="unset"),
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            if entry != _UNIX:
                try:
                    ip_network(entry)
                except ValueError as error:
                    raise ValueError(f"addresses, networks or `unix`; {error}") from None
        return value

    @field_validator("external_url")
    @classmethod
    def _check_external_url(cls, value: str | None) -> str | None:
        if not value:
            return None
        bare = value.removesuffix("/")
        scheme, _, host = bare.partition("://")
        if scheme not in {"http", "https"} or parse_host(host) is None:
            # Clients take the protocol to be at the root of a host, so that a path is of no use.
            raise ValueError("http:// or https://, a host and perhaps a port, without a path")
        return bare

    def trusted_networks(self) -> tuple[Network, ...]:
        """Give the trusted proxies that have addresses, as networks."""
        return tuple(ip_network(entry) for entry in self.trusted_proxies if entry != _UNIX)

    def trusts_unix(self) -> bool:
        """Say whether peers over a unix socket are trusted."""
        return _UNIX in self.trusted_proxies


class UploadsSettings(Group):
    """What a client that pushes content is allowed."""

    body_timeout_seconds: int = Field(
        60,
        ge=0,
        description="Longest silence of a client inside a request body; what arrived is kept.",
        json_schema_extra=about(unit="seconds", off="0 waits for ever"),
    )
    max_bytes: int = Field(
        0,
        ge=0,
        description="Largest blob that can be pushed; more is refused with 413.",
        json_schema_extra=about(unit="bytes", off="`0`"),
    )
    max_seconds: int = Field(
        0,
        ge=0,
        description="How long the body of one request may take, without the time that the store "
        "takes; then it is refused with 408, and what arrived is kept.",
        json_schema_extra=about(unit="seconds", off="`0`"),
    )
    min_bytes_per_second: int = Field(
        64,
        ge=0,
        description="How fast the body of a request has to come, on average from its second "
        "minute on; otherwise it is refused with 408, and what arrived is kept.",
        json_schema_extra=about(unit="bytes per second", off="`0`"),
    )
    purge_enabled: bool = Field(
        True,
        description="Whether uploads that clients have left unfinished are deleted by and by.",
        json_schema_extra=about(unit="", off="`false`"),
    )
    purge_older_than: PositiveDuration = Field(
        "168h",
        description="How long after its start an unfinished upload is deleted.",
        json_schema_extra=about(unit="duration", off=""),
    )
    purge_interval: PositiveDuration = Field(
        "24h",
        description="Time between two purges, whichever of the processes of a store does them.",
        json_schema_extra=about(unit="duration", off=""),
    )
    purge_dry_run: bool = Field(
        False,
        description="Whether a purge only logs what it would delete.",
        json_schema_extra=about(unit="", off=""),
    )


class ManifestsSettings(Group):
    """What a pushed manifest may be."""

    max_bytes: int = Field(
        4 * 1024 * 1024,
        ge=1024,
        description="Largest manifest; more is refused with 413.",
        json_schema_extra=about(unit="bytes", off=""),
    )
    max_depth: int = Field(
        64,
        ge=8,
        le=128,
        description="How deep objects and lists in a manifest may be nested; more is refused "
        "with 400.",
        json_schema_extra=about(unit="levels", off=""),
    )
    missing_references: Literal["refuse", "accept"] = Field(
        "refuse",
        description="What happens to a manifest that names content the repository lacks; "
        "`accept` allows sparse images and indexes.",
        json_schema_extra=about(unit="", off="`accept`"),
    )
    max_tags_per_push: int = Field(
        100,
        ge=0,
        description="Most `tag` parameters in one push of a manifest.",
        json_schema_extra=about(unit="tags", off="0 refuses the parameter"),
    )
    schema1: Literal["refuse", "accept", "convert"] = Field(
        "refuse",
        description="What happens to signed images of schema 1. Those that are stored can always "
        "be pulled; `accept` lets them be pushed; `convert` also gives clients of that format "
        "other images in it, and other clients those images in theirs.",
        json_schema_extra=about(unit="", off="`refuse`"),
    )
    schema1_key_file: Path | None = Field(
        None,
        description="Private key that signs images of schema 1 which have no signature, PEM or "
        "JWK, of EC or RSA; without it one is made and kept in the store.",
        json_schema_extra=about(unit="", off="unset"),
    )

    @field_validator("schema1_key_file", mode="before")
    @classmethod
    def _check_key_file(cls, value: object) -> object:
        # The text of a variable that is set to nothing.
        return None if value == "" else value


class DeleteSettings(Group):
    """Whether clients may delete."""

    enabled: bool = Field(
        True,
        description="Whether manifests, tags and blobs may be deleted; otherwise 405.",
        json_schema_extra=about(unit="", off="`false`"),
    )


class ListsSettings(Group):
    """How long the pages of lists are."""

    max_entries: int = Field(
        1000,
        ge=1,
        description="Largest page of tags, repositories or referrers that a client may ask for.",
        json_schema_extra=about(unit="entries", off=""),
    )
    default_tags_entries: int = Field(
        10000,
        ge=1,
        description="Page of a tag list that is asked for without `n`.",
        json_schema_extra=about(unit="entries", off=""),
    )
    default_catalog_entries: int = Field(
        100,
        ge=1,
        description="Page of the catalog that is asked for without `n`.",
        json_schema_extra=about(unit="entries", off=""),
    )


class LogSettings(Group):
    """What is logged, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        description="Least level that is logged; access lines are of level `info`.",
        json_schema_extra=about(unit="", off=""),
    )
    format: Literal["json", "console"] = Field(
        "json",
        description="`json` is one object a line; `console` is for reading at a terminal.",
        json_schema_extra=about(unit="", off=""),
    )
    audit: bool = Field(
        True,
        description="Whether each login, push and deletion, and whatever is denied, is logged with "
        "who, what and from where, whatever `level` is; only where access is controlled.",
        json_schema_extra=about(unit="", off="`false`"),
    )
    access: bool = Field(
        True,
        description="Whether each request is logged when it is over; a line may wait a tenth of a "
        "second for others.",
        json_schema_extra=about(unit="", off="`false`"),
    )
