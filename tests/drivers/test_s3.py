"""The S3 driver held to its contract, on two servers that stand in for the stores of this world."""

import uuid
from collections.abc import Mapping
from typing import ClassVar

import pytest

from core.drivers import StorageDriver, create_driver
from tests.contracts.driver import DriverContract
from tests.drivers.s3_backdoor import Backdoor
from tests.servers.seaweedfs import S3Server

__all__: list[str] = []


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


class TestS3DriverOnSeaweedFS(S3Contract):
    beyond_the_server: ClassVar[Mapping[str, str]] = {
        "test_an_upload_cannot_begin_at_a_directory_or_below_a_file[/a]": "SeaweedFS keeps files, "
        "and cannot complete a multipart upload whose key is that of a directory"
    }

    @pytest.fixture
    def server(self, seaweedfs: S3Server) -> S3Server:
        return seaweedfs


class TestS3DriverOnMoto(S3Contract):
    """It lists in the order of keys, as AWS does."""

    beyond_the_server: ClassVar[Mapping[str, str]] = {
        "test_an_appender_notices_that_its_bytes_were_deleted": "moto answers a part of an upload "
        "that was aborted with an internal error instead of NoSuchUpload",
        "test_an_appender_notices_at_a_flush_that_its_bytes_were_deleted": "as above",
    }

    @pytest.fixture
    def server(self, moto: S3Server) -> S3Server:
        return moto
