"""An empty store on each kind of object store, each over a real server."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from api.settings import load_storage_settings
from core.drivers import StorageDriver, create_driver
from tests.servers.azurite import ACCOUNT_KEY, Azurite
from tests.servers.gcs import make_bucket
from tests.servers.seaweedfs import S3Server
from tests.stores.environment import azure_environment, gcs_environment, s3_environment

__all__ = ["ObjectStore", "object_store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStore:
    """An empty store on a server.

    Attributes:
        kind: the name of its driver.
        variables: what tells a service of it.
    """

    kind: str
    variables: Mapping[str, str]

    @property
    def settings(self) -> Mapping[str, str]:
        """The same as the settings of the driver, as text."""
        prefix = f"MOORAGE_STORAGE__{self.kind.upper()}__"
        return {
            name.removeprefix(prefix).lower(): value
            for name, value in self.variables.items()
            if name.startswith(prefix)
        }

    def write_settings(self, file: Path) -> None:
        """Write a settings file that names this store."""
        lines = [f'{name} = "{value}"' for name, value in self.settings.items()]
        table = "\n".join([f"[storage.{self.kind}]", *lines])
        file.write_text(f'[storage]\ndriver = "{self.kind}"\n{table}\n')

    def make_driver(self, folder: Path) -> StorageDriver:
        """Return a driver of this store, which the caller closes."""
        file = folder / "store.toml"
        self.write_settings(file)
        return create_driver(self.kind, load_storage_settings(file).driver_options())


@pytest.fixture(
    params=[
        "s3",
        pytest.param("azure", marks=pytest.mark.needs("azurite")),
        pytest.param("gcs", marks=pytest.mark.needs("fake-gcs-server")),
    ]
)
def object_store(request: pytest.FixtureRequest) -> ObjectStore:
    """A store of each kind."""
    prefix = f"store-{uuid.uuid4().hex}"
    common = {"root_prefix": prefix, "redirect": "false", "part_bytes": 5 * 1024 * 1024}
    kind = str(request.param)
    if kind == "s3":
        server: S3Server = request.getfixturevalue("seaweedfs")
        variables = s3_environment(server, **common)
    elif kind == "azure":
        azurite: Azurite = request.getfixturevalue("azurite")
        container = prefix
        with ContainerClient(azurite.endpoint_url, container, credential=ACCOUNT_KEY) as client:
            client.create_container()
        variables = azure_environment(azurite, container=container, **common)
    else:
        url = request.getfixturevalue("fake_gcs")
        make_bucket(url, prefix)
        variables = gcs_environment(url, bucket=prefix, **common)
    return ObjectStore(kind=kind, variables=variables)
