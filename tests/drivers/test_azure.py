"""The Azure driver, on Azurite."""

import uuid

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from core.drivers import CheckedDriver, StorageDriver, create_driver
from core.drivers.azure import AzureDriver
from tests.contracts.driver import DriverContract
from tests.servers.azurite import ACCOUNT, ACCOUNT_KEY, Azurite

__all__: list[str] = []

pytestmark = pytest.mark.needs("azurite")

CONTAINER = "registry"
PART_BYTES = 256 * 1024


def make_driver(azurite: Azurite, **settings: object) -> StorageDriver:
    """Make a driver with a prefix of its own."""
    return create_driver(
        "azure",
        {
            "container": CONTAINER,
            "account_name": ACCOUNT,
            "account_key": ACCOUNT_KEY,
            "endpoint_url": azurite.endpoint_url,
            "root_prefix": str(uuid.uuid4()),
            "part_bytes": PART_BYTES,
            **settings,
        },
    )


def prefix_of(driver: StorageDriver) -> str:
    assert isinstance(driver, CheckedDriver)
    assert isinstance(driver.driver, AzureDriver)
    return driver.driver._store.prefix


class TestAzureDriver(DriverContract):
    @pytest.fixture
    def driver(self, azurite: Azurite) -> StorageDriver:
        return make_driver(azurite)

    @pytest.fixture(autouse=True)
    def _container(self, container: ContainerClient) -> None:
        self.container = container

    async def stored(self, driver: StorageDriver, path: str) -> bytes | None:
        try:
            return self.container.download_blob(prefix_of(driver) + path[1:]).readall()
        except ResourceNotFoundError:
            return None

    async def plant(self, driver: StorageDriver, path: str, content: bytes) -> None:
        self.container.upload_blob(prefix_of(driver) + path[1:], content, overwrite=True)

    async def leftovers(self, driver: StorageDriver) -> set[str]:
        prefix = prefix_of(driver)
        names = self.container.list_blob_names(name_starts_with=prefix)
        return {f"/{name.removeprefix(prefix)}" for name in names}
