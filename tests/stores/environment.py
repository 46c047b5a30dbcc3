"""Settings of a store, as the variables that a service reads."""

from tests.servers.seaweedfs import S3Server

__all__ = ["s3_environment"]


def s3_environment(server: S3Server, **others: object) -> dict[str, str]:
    """Return the variables for a store on an S3 server; `others` are further settings of it."""
    settings = server.settings(**others)
    variables = {"MOORAGE_STORAGE__DRIVER": "s3"}
    for name, value in settings.items():
        variables[f"MOORAGE_STORAGE__S3__{name.upper()}"] = str(value)
    return variables
