"""The settings of the built-in drivers for object stores, each of which has a page of its own."""

from typing import Literal

from pydantic import Field, SecretStr

from api.settings.groups import Group, about

__all__ = ["AzureSettings", "GCSSettings", "S3Settings"]


class S3Settings(Group):
    """The built-in driver for S3 and for stores that speak its protocol."""

    bucket: str = Field(
        "",
        description="Name of the bucket, which has to be there.",
        json_schema_extra=about(unit="", off=""),
    )
    root_prefix: str = Field(
        "",
        description="What the keys of the store begin with: a path in the bucket.",
        json_schema_extra=about(unit="", off="empty"),
    )
    region: str = Field(
        "",
        description="Region of the bucket; empty takes it from the environment, as the AWS tools.",
        json_schema_extra=about(unit="", off=""),
    )
    endpoint_url: str = Field(
        "",
        description="Address of a store that is not that of AWS, with `http://` or `https://`.",
        json_schema_extra=about(unit="", off="empty"),
    )
    path_style: bool = Field(
        False,
        description="Whether the bucket is part of the path of addresses, not of the host name; "
        "many stores other than AWS want it.",
        json_schema_extra=about(unit="", off="`false`"),
    )
    access_key_id: SecretStr = Field(
        SecretStr(""),
        description="Access key; empty takes the credentials of the environment, of the files of "
        "the AWS tools, of the container or of the machine, in this order.",
        json_schema_extra=about(unit="", off="empty"),
    )
    secret_access_key: SecretStr = Field(
        SecretStr(""),
        description="Secret of the access key.",
        json_schema_extra=about(unit="", off="empty"),
    )
    session_token: SecretStr = Field(
        SecretStr(""),
        description="Token that goes with a temporary access key.",
        json_schema_extra=about(unit="", off="empty"),
    )
    verify_tls: bool = Field(
        True,
        description="Whether the certificate of the store is checked.",
        json_schema_extra=about(unit="", off="`false`"),
    )
    ca_bundle: str = Field(
        "",
        description="File with the authorities that may have signed that certificate; empty takes "
        "those that the AWS tools trust.",
        json_schema_extra=about(unit="", off="empty"),
    )
    encryption: Literal["none", "AES256", "aws:kms"] = Field(
        "none",
        description="How the store shall encrypt objects; `none` leaves that to the bucket.",
        json_schema_extra=about(unit="", off="`none`"),
    )
    kms_key_id: str = Field(
        "",
        description="Key for `aws:kms`; empty takes that of the account.",
        json_schema_extra=about(unit="", off="empty"),
    )
    storage_class: str = Field(
        "",
        description="Storage class of objects, such as `INTELLIGENT_TIERING`.",
        json_schema_extra=about(unit="", off="empty"),
    )
    payload_check: Literal["sha256", "md5", "none"] = Field(
        "sha256",
        description="Digest by which the store refuses bytes that were changed on their way: "
        "`sha256` is part of the signature, which AWS, MinIO and Ceph check; `md5` every store "
        "checks, for more than twice the processor time.",
        json_schema_extra=about(unit="", off="`none`"),
    )
    conditional_writes: bool = Field(
        True,
        description="Whether the store honours `If-None-Match` and `If-Match` of writes, by which "
        "nodes claim uploads; without them, two nodes may in rare cases write one upload.",
        json_schema_extra=about(unit="", off="`false`"),
    )
    part_bytes: int = Field(
        8 * 1024 * 1024,
        ge=5 * 1024 * 1024,
        le=5 * 1024 * 1024 * 1024,
        description="Size of the parts that large content is sent in; it doubles every 900 "
        "parts. A push holds up to this times one more than `part_concurrency` in memory.",
        json_schema_extra=about(unit="bytes", off=""),
    )
    part_concurrency: int = Field(
        2,
        ge=1,
        description="How many parts of one push are sent at once.",
        json_schema_extra=about(unit="", off="1"),
    )
    copy_threshold_bytes: int = Field(
        32 * 1024 * 1024,
        ge=0,
        le=5 * 1024 * 1024 * 1024,
        description="Larger objects are copied within the store in ranges, at once.",
        json_schema_extra=about(unit="bytes", off="5368709120"),
    )
    copy_part_bytes: int = Field(
        64 * 1024 * 1024,
        ge=5 * 1024 * 1024,
        le=5 * 1024 * 1024 * 1024,
        description="Size of these ranges.",
        json_schema_extra=about(unit="bytes", off=""),
    )
    copy_concurrency: int = Field(
        8,
        ge=1,
        description="How many ranges of one object are copied at once.",
        json_schema_extra=about(unit="", off="1"),
    )
    redirect: bool = Field(
        True,
        description="Whether clients fetch blobs from the store itself, by signed addresses.",
        json_schema_extra=about(unit="", off="`false`"),
    )
    redirect_seconds: int = Field(
        1200,
        ge=1,
        le=7 * 24 * 3600,
        description="How long such an address is good for.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    redirect_endpoint_url: str = Field(
        "",
        description="Address of the store for clients, where it is not `endpoint_url`.",
        json_schema_extra=about(unit="", off="empty"),
    )
    max_connections: int = Field(
        256,
        ge=1,
        description="How many connections to the store a process has at most.",
        json_schema_extra=about(unit="", off=""),
    )
    max_attempts: int = Field(
        5,
        ge=1,
        description="How often a request is tried when the store is busy, fails or is out of "
        "reach, with growing pauses between.",
        json_schema_extra=about(unit="", off="1"),
    )
    connect_timeout_seconds: float = Field(
        10,
        gt=0,
        description="How long a connection may take.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    read_timeout_seconds: float = Field(
        60,
        gt=0,
        description="How long the store may be silent while it is asked to answer.",
        json_schema_extra=about(unit="seconds", off=""),
    )


class AzureSettings(Group):
    """The built-in driver for containers of Azure Blob Storage."""

    container: str = Field(
        "",
        description="Name of the container, which has to be there.",
        json_schema_extra=about(unit="", off=""),
    )
    root_prefix: str = Field(
        "",
        description="What the names of the blobs begin with: a path in the container.",
        json_schema_extra=about(unit="", off="empty"),
    )
    account_name: str = Field(
        "",
        description="Name of the storage account.",
        json_schema_extra=about(unit="", off=""),
    )
    account_key: SecretStr = Field(
        SecretStr(""),
        description="One of the two keys of the account; without it no addresses can be signed.",
        json_schema_extra=about(unit="", off="empty"),
    )
    sas_token: SecretStr = Field(
        SecretStr(""),
        description="Shared access signature, in the place of `account_key`.",
        json_schema_extra=about(unit="", off="empty"),
    )
    connection_string: SecretStr = Field(
        SecretStr(""),
        description="Account, credentials and address in one, in the place of these settings.",
        json_schema_extra=about(unit="", off="empty"),
    )
    endpoint_url: str = Field(
        "",
        description="Address of the account, where it is not "
        "`https://<account_name>.blob.core.windows.net`.",
        json_schema_extra=about(unit="", off="empty"),
    )
    part_bytes: int = Field(
        8 * 1024 * 1024,
        ge=64 * 1024,
        le=64 * 1024 * 1024,
        description="Size of the parts that large content is sent in; 50000 of them are the most. "
        "A push holds up to this times one more than `part_concurrency` in memory.",
        json_schema_extra=about(unit="bytes", off=""),
    )
    part_concurrency: int = Field(
        3,
        ge=1,
        description="How many parts of one push are sent at once; those of a chunked upload go "
        "one after the other.",
        json_schema_extra=about(unit="", off="1"),
    )
    redirect: bool = Field(
        True,
        description="Whether clients fetch blobs from the store itself, by signed addresses.",
        json_schema_extra=about(unit="", off="`false`"),
    )
    redirect_seconds: int = Field(
        1200,
        ge=1,
        le=7 * 24 * 3600,
        description="How long such an address is good for.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    redirect_endpoint_url: str = Field(
        "",
        description="Address of the account for clients, where it is not `endpoint_url`.",
        json_schema_extra=about(unit="", off="empty"),
    )
    max_attempts: int = Field(
        5,
        ge=1,
        description="How often a request is tried when the store is busy, fails or is out of "
        "reach, with growing pauses between.",
        json_schema_extra=about(unit="", off="1"),
    )
    connect_timeout_seconds: float = Field(
        10,
        gt=0,
        description="How long a connection may take.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    read_timeout_seconds: float = Field(
        60,
        gt=0,
        description="How long the store may be silent while it is asked to answer.",
        json_schema_extra=about(unit="seconds", off=""),
    )


class GCSSettings(Group):
    """The built-in driver for Google Cloud Storage."""

    bucket: str = Field(
        "",
        description="Name of the bucket, which has to be there.",
        json_schema_extra=about(unit="", off=""),
    )
    root_prefix: str = Field(
        "",
        description="What the names of all objects begin with: a path in the bucket.",
        json_schema_extra=about(unit="", off="empty"),
    )
    service_account_file: str = Field(
        "",
        description="JSON file with the key of a service account; empty takes the application's "
        "default credentials, as Google's tools find them.",
        json_schema_extra=about(unit="", off="empty"),
    )
    anonymous: bool = Field(
        False,
        description="Whether requests carry no credentials at all, as emulators want it.",
        json_schema_extra=about(unit="", off="`false`"),
    )
    endpoint_url: str = Field(
        "https://storage.googleapis.com",
        pattern=r"^https?://[^/]+",
        description="Address of the JSON API.",
        json_schema_extra=about(unit="", off=""),
    )
    part_bytes: int = Field(
        8 * 1024 * 1024,
        ge=256 * 1024,
        le=1024 * 1024 * 1024,
        description="Size of the parts that large content is sent in. A push holds up to this "
        "times one more than `part_concurrency` in memory.",
        json_schema_extra=about(unit="bytes", off=""),
    )
    part_concurrency: int = Field(
        4,
        ge=1,
        description="How many parts of one push are sent at once.",
        json_schema_extra=about(unit="", off="1"),
    )
    redirect: bool = Field(
        True,
        description="Whether clients fetch blobs from the store itself, by signed addresses; "
        "only the key of a service account can sign them.",
        json_schema_extra=about(unit="", off="`false`"),
    )
    redirect_seconds: int = Field(
        1200,
        ge=1,
        le=7 * 24 * 3600,
        description="How long such an address is good for.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    redirect_endpoint_url: str = Field(
        "",
        pattern=r"^(https?://[^/]+.*)?$",
        description="Address of the store for clients, where it is not `endpoint_url`.",
        json_schema_extra=about(unit="", off="empty"),
    )
    max_connections: int = Field(
        100,
        ge=1,
        description="How many connections to the store a process has at most for content that is "
        "read, and as many for all else.",
        json_schema_extra=about(unit="", off=""),
    )
    max_attempts: int = Field(
        5,
        ge=1,
        description="How often a request is tried when the store is busy, fails or is out of "
        "reach, with growing pauses between.",
        json_schema_extra=about(unit="", off="1"),
    )
    connect_timeout_seconds: float = Field(
        10,
        gt=0,
        description="How long a connection may take.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    read_timeout_seconds: float = Field(
        60,
        gt=0,
        description="How long the store may be silent while it is asked to answer.",
        json_schema_extra=about(unit="seconds", off=""),
    )
