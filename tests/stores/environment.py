"""Settings of stores, as the variables that a service reads."""

from collections.abc import Mapping

from tests.servers.azurite import ACCOUNT, ACCOUNT_KEY, Azurite
from tests.servers.seaweedfs import S3Server

__all__ = ["azure_environment", "gcs_environment", "s3_environment"]


def s3_environment(server: S3Server, **others: object) -> dict[str, str]:
    """Return the variables for a store on an S3 server; `others` are further settings of it."""
    return _variables("s3", server.settings(**others))


def azure_environment(server: Azurite, **others: object) -> dict[str, str]:
    """Return the variables for a store on an emulator of Azure, in the container `registry`."""
    settings = {
        "container": "registry",
        "account_name": ACCOUNT,
        "account_key": ACCOUNT_KEY,
        "endpoint_url": server.endpoint_url,
    }
    return _variables("azure", {**settings, **others})


def gcs_environment(url: str, **others: object) -> dict[str, str]:
    """Return the variables for a store on an emulator of Google's, in the bucket `registry`."""
    settings = {"bucket": "registry", "endpoint_url": url, "anonymous": "true"}
    return _variables("gcs", {**settings, **others})


def _variables(driver: str, settings: Mapping[str, object]) -> dict[str, str]:
    variables = {"MOORAGE_STORAGE__DRIVER": driver}
    for name, value in settings.items():
        variables[f"MOORAGE_STORAGE__{driver.upper()}__{name.upper()}"] = str(value)
    return variables
