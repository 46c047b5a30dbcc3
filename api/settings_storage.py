"""Where the store is: the driver that holds it, and a table of settings for each driver."""

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, SecretStr

from api.settings_groups import Group, about

__all__ = ["AzureSettings", "FilesystemSettings", "GCSSettings", "S3Settings", "StorageSettings"]


class FilesystemSettings(Group):
    """The built-in driver that keeps the store in a directory."""

    root: Path = Field(
        Path("data"),
        description="Directory of the store, made if missing; relative to the working directory.",
        json_schema_extra=about(unit="", off=""),
    )
    durability: Literal["full", "relaxed"] = Field(
        "full",
        description="`full` answers a push once its bytes are synced to the disk; "
        "`relaxed` leaves that to the system, and a power cut may lose answered pushes.",
        json_schema_extra=about(unit="", off="`relaxed`"),
    )


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
    sign_payloads: bool = Field(
        True,
        description="Whether a SHA-256 of the content is part of the signature, so that the store "
        "refuses bytes that were changed on their way.",
        json_schema_extra=about(unit="", off="`false`"),
    )
    conditional_writes: bool = Field(
        True,
        description="Whether the store honours `If-None-Match` and `If-Match` of writes, by which "
        "nodes claim uploads; without them, two nodes may in rare cases write one upload.",
        json_schema_extra=about(unit="", off="`false`"),
    )
    part_bytes: int = Field(
        10 * 1024 * 1024,
        ge=5 * 1024 * 1024,
        le=5 * 1024 * 1024 * 1024,
        description="Size of the parts that large content is sent in; it doubles every thousand "
        "parts. A push holds up to this times one more than `part_concurrency` in memory.",
        json_schema_extra=about(unit="bytes", off=""),
    )
    part_concurrency: int = Field(
        3,
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
        16,
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


class StorageSettings(Group):
    """Which driver holds the store, and a table of settings for each driver.

    A table that is not declared here belongs to the driver of that name, which checks it.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]]

    driver: str = Field(
        "filesystem",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        description="Driver that holds the store: `filesystem`, `s3`, `azure`, `gcs`, "
        "`memory`, or one that an installed package names in the entry point group "
        "`moorage.drivers`.",
        json_schema_extra=about(unit="", off=""),
    )
    filesystem: FilesystemSettings = FilesystemSettings()
    s3: S3Settings = S3Settings()
    azure: AzureSettings = AzureSettings()
    gcs: GCSSettings = GCSSettings()

    def driver_options(self) -> dict[str, Any]:
        """Give the keyword settings of the chosen driver; empty where it has no table.

        Secrets are in it as they are. Values of a table that is not declared here, if they came
        from environment variables, are text: the driver converts them.
        """
        table = getattr(self, self.driver, None)
        if not isinstance(table, Group):
            return dict(self.__pydantic_extra__.get(self.driver, {}))
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in table
        }
