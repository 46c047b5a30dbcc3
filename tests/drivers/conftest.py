"""Servers that drivers are tested with, one of each for a run."""

from collections.abc import Iterator

import pytest
from azure.storage.blob import ContainerClient

from tests.servers.azurite import ACCOUNT_KEY, Azurite, running_azurite

__all__: list[str] = []

# Shows the values that an assertion of the shared suite compared.
pytest.register_assert_rewrite("tests.contracts.driver")


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with running_azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def container(azurite: Azurite) -> Iterator[ContainerClient]:
    """A plain client of the container that all tests share, each below its own prefix."""
    with ContainerClient(azurite.endpoint_url, "registry", credential=ACCOUNT_KEY) as client:
        client.create_container()
        yield client
