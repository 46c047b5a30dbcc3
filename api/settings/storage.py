"""Where the store is: the driver that holds it, and a table of settings for each driver."""

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, SecretStr

from api.settings.groups import Group, about
from api.settings.object_stores import AzureSettings, GCSSettings, S3Settings

__all__ = ["FilesystemSettings", "StorageSettings"]


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

    def local_root(self) -> Path | None:
        """Give the directory of the store, None if it is no directory of this machine."""
        return self.filesystem.root if self.driver == "filesystem" else None
