"""Limits of what one client may do, a client being a user, or an address where no user is known."""

from typing import Literal

from pydantic import Field

from api.settings.groups import DEFAULT_REDIS_URL, Group, RedisURL, about

__all__ = ["LimitsSettings"]


class LimitsSettings(Group):
    """How much one client may ask for, and how often it may guess a password."""

    driver: Literal["memory", "redis"] = Field(
        "memory",
        description="Where it is counted what clients do. In `memory` each process counts for "
        "itself; with `redis` all processes of all nodes count together.",
        json_schema_extra=about(unit="", off=""),
    )
    redis_url: RedisURL = DEFAULT_REDIS_URL
    timeout_seconds: float = Field(
        0.25,
        gt=0,
        description="How long one call to Redis may take before a request is let in uncounted.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    requests: int = Field(
        0,
        ge=0,
        description="Most requests of one client in each period; all of them may come at once, "
        "further ones as the period goes by.",
        json_schema_extra=about(unit="requests", off="`0`"),
    )
    requests_period_seconds: int = Field(
        60,
        ge=1,
        description="The period of `limits.requests`.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    transferred_bytes: int = Field(
        0,
        ge=0,
        description="Most bytes of bodies, in both directions, for one client in each period. A "
        "request is counted when it is over, and the next ones wait until what was too much has "
        "been made up for.",
        json_schema_extra=about(unit="bytes", off="`0`"),
    )
    transferred_period_seconds: int = Field(
        3600,
        ge=1,
        description="The period of `limits.transferred_bytes`.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    concurrent_uploads: int = Field(
        0,
        ge=0,
        description="Most requests with content for blobs that one client may have under way.",
        json_schema_extra=about(unit="requests", off="`0`"),
    )
    max_clients: int = Field(
        50_000,
        ge=100,
        description="Most clients that a process remembers, for each kind of limit; those that "
        "were there longest ago are forgotten first.",
        json_schema_extra=about(unit="clients", off=""),
    )
    failed_logins: int = Field(
        5,
        ge=0,
        description="So many wrong passwords of one user from one address cost nothing; after "
        "that each doubles the time before the next attempt.",
        json_schema_extra=about(unit="attempts", off="`0`"),
    )
    failed_logins_per_address: int = Field(
        50,
        ge=0,
        description="The same for all users from one address together.",
        json_schema_extra=about(unit="attempts", off="`0`"),
    )
    failed_login_max_delay_seconds: int = Field(
        900,
        ge=1,
        description="The longest that a wrong password makes the next attempt wait. What was "
        "failed is forgotten once nothing has been failed for twice as long.",
        json_schema_extra=about(unit="seconds", off=""),
    )
