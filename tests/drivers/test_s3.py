"""The S3 driver on a real store."""

import uuid
from collections.abc import Mapping
from typing import ClassVar

import pytest

from core.drivers import StorageDriver, create_driver
from tests.contracts.driver import DriverContract
from tests.drivers.s3_backdoor import Backdoor
from tests.servers.seaweedfs import S3Server

__all__: list[str] = []


@pytest.fixture(scope="session")
def backdoor(seaweedfs: S3Server) -> Backdoor:
    return Backdoor(seaweedfs)


@pytest.fixture
def prefix() -> str:
    """Where the store of one test begins in the bucket."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def driver(seaweedfs: S3Server, prefix: str) -> StorageDriver:
    return create_driver("s3", seaweedfs.settings(root_prefix=prefix))


class TestS3Driver(DriverContract):
    beyond_the_server: ClassVar[Mapping[str, str]] = {
        "test_an_upload_cannot_begin_at_a_directory_or_below_a_file[/a]": "SeaweedFS keeps files, "
        "and cannot complete a multipart upload whose key is that of a directory"
    }

    @pytest.fixture(autouse=True)
    def _doors(self, backdoor: Backdoor, prefix: str) -> None:
        self.backdoor = backdoor
        self.prefix = prefix

    async def stored(self, driver: StorageDriver, path: str) -> bytes | None:
        return await self.backdoor.read(self.prefix + path)

    async def plant(self, driver: StorageDriver, path: str, content: bytes) -> None:
        await self.backdoor.write(self.prefix + path, content)

    async def leftovers(self, driver: StorageDriver) -> set[str]:
        return await self.backdoor.everything(self.prefix)
