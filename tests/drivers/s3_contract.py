"""The contract of drivers for the S3 driver, on whatever server."""

import uuid

import pytest

from core.drivers import StorageDriver, create_driver
from tests.contracts.driver import DriverContract
from tests.drivers.s3_backdoor import Backdoor
from tests.servers.seaweedfs import S3Server

__all__ = ["S3Contract"]


class S3Contract(DriverContract):
    """The contract on `server`, each test with a prefix of its own in one bucket."""

    @pytest.fixture
    def driver(self, server: S3Server) -> StorageDriver:
        self.prefix = f"test-{uuid.uuid4().hex}"
        self.backdoor = Backdoor(server)
        return create_driver("s3", server.settings(root_prefix=f"/{self.prefix}/"))

    async def stored(self, driver: StorageDriver, path: str) -> bytes | None:
        return await self.backdoor.read(self.prefix + path)

    async def plant(self, driver: StorageDriver, path: str, content: bytes) -> None:
        await self.backdoor.write(self.prefix + path, content)

    async def leftovers(self, driver: StorageDriver) -> set[str]:
        return await self.backdoor.everything(self.prefix)
