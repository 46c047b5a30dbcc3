"""The servers that drivers are tested on, and how their tests report."""

from collections.abc import Iterator

import pytest
from azure.storage.blob import ContainerClient

from tests.servers.azurite import ACCOUNT_KEY, Azurite, running_azurite
from tests.servers.moto import running_moto
from tests.servers.seaweedfs import S3Server, running_seaweedfs

__all__ = ["azurite", "container", "moto", "seaweedfs"]

# Shows the values that an assertion of the shared suite compared.
pytest.register_assert_rewrite("tests.contracts.driver")


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server for all tests of a worker; each of them has a prefix of its own."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    """Another such server, whose listings are in the order of AWS."""
    with running_moto() as server:
        yield server


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """An emulator of Azure for all tests of a worker, each of them below a prefix of its own."""
    with running_azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def container(azurite: Azurite) -> Iterator[ContainerClient]:
    """A plain client of the container that all of them share."""
    with ContainerClient(azurite.endpoint_url, "registry", credential=ACCOUNT_KEY) as client:
        client.create_container()
        yield client
