"""The servers that drivers are tested on, and how their tests report."""

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from core.drivers import StorageDriver, create_driver
from tests.drivers.s3_backdoor import Backdoor
from tests.servers.moto import running_moto
from tests.servers.seaweedfs import S3Server, running_seaweedfs

__all__ = ["backdoor", "moto", "prefix", "s3_driver", "seaweedfs"]

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
