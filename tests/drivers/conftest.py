"""Stores of single tests on servers that many share, and how tests of drivers report."""

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from azure.storage.blob import ContainerClient

from core.drivers import StorageDriver, create_driver
from tests.drivers.gcs_backdoor import GCSBackdoor
from tests.drivers.s3_backdoor import Backdoor
from tests.servers.azurite import ACCOUNT_KEY, Azurite
from tests.servers.seaweedfs import S3Server

__all__ = ["backdoor", "container", "gcs", "prefix", "s3_driver"]

# Shows the values that an assertion of the shared suite compared.
pytest.register_assert_rewrite("tests.contracts.driver")


@pytest.fixture
def prefix() -> str:
    """Where the store of one test begins in the bucket."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
async def s3_driver(seaweedfs: S3Server, prefix: str) -> AsyncIterator[StorageDriver]:
    """An S3 driver whose store is empty."""
    driver = create_driver("s3", seaweedfs.settings(root_prefix=prefix))
    yield driver
    await driver.aclose()


@pytest.fixture
def backdoor(seaweedfs: S3Server) -> Backdoor:
    """The same server without the driver."""
    return Backdoor(seaweedfs)


@pytest.fixture(scope="session")
def container(azurite: Azurite) -> Iterator[ContainerClient]:
    """A plain client of the container that all tests on Azurite share."""
    with ContainerClient(azurite.endpoint_url, "registry", credential=ACCOUNT_KEY) as client:
        client.create_container()
        yield client


@pytest.fixture
async def gcs(fake_gcs: str) -> AsyncIterator[GCSBackdoor]:
    """A new bucket on the emulator of Google's."""
    async with GCSBackdoor(fake_gcs) as backdoor:
        yield backdoor
