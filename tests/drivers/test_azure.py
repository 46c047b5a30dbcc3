"""The Azure driver held to its contract on Azurite."""

import pytest
from azure.storage.blob import ContainerClient

from core.drivers import StorageDriver, create_driver
from tests.contracts.driver import DriverContract
from tests.drivers.azure_backdoor import Backdoor, settings_of
from tests.servers.azurite import Azurite

__all__: list[str] = []

pytestmark = pytest.mark.needs("azurite")


@pytest.fixture
def driver(azurite: Azurite) -> StorageDriver:
    return create_driver("azure", settings_of(azurite.endpoint_url))


@pytest.fixture
def backdoor(container: ContainerClient, driver: StorageDriver) -> Backdoor:
    return Backdoor(container, driver)


class TestAzureDriver(DriverContract):
    @pytest.fixture(autouse=True)
    def _backdoor(self, backdoor: Backdoor) -> None:
        self.backdoor = backdoor

    async def stored(self, driver: StorageDriver, path: str) -> bytes | None:
        return self.backdoor.read(path)

    async def plant(self, driver: StorageDriver, path: str, content: bytes) -> None:
        self.backdoor.write(path, content)

    async def leftovers(self, driver: StorageDriver) -> set[str]:
        return self.backdoor.paths()
