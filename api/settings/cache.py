"""What is remembered: manifests in each process, and sizes of blobs where nodes share a cache."""

from typing import Literal

from pydantic import Field

from api.settings.groups import DEFAULT_REDIS_URL, Group, RedisURL, about

__all__ = ["CacheSettings"]


class CacheSettings(Group):
    """What is remembered, so that the store need not be asked for it."""

    manifest_bytes: int = Field(
        16 * 1024 * 1024,
        ge=0,
        description="Memory of each process for the manifests that were pulled last. Whether a "
        "repository still has a manifest is asked of the store each time.",
        json_schema_extra=about(unit="bytes", off="`0`"),
    )
    driver: Literal["none", "redis"] = Field(
        "none",
        description="Shared cache of the sizes of blobs; `redis` saves one request to the store "
        "for each pull, which pays where the store is an object store.",
        json_schema_extra=about(unit="", off="`none`"),
    )
    redis_url: RedisURL = DEFAULT_REDIS_URL
    ttl_seconds: int = Field(
        600,
        ge=1,
        description="How long an entry is kept, and so how long `HEAD` may go on to tell of "
        "content that somebody took out of the store behind the registry's back.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    timeout_seconds: float = Field(
        0.25,
        gt=0,
        description="How long one call to the cache may take before the registry does without.",
        json_schema_extra=about(unit="seconds", off=""),
    )
