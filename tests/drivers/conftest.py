"""The servers that drivers are tested on, and how their tests report."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.drivers.gcs_backdoor import GCSBackdoor
from tests.servers.gcs import find_program, running_gcs
from tests.servers.moto import running_moto
from tests.servers.seaweedfs import S3Server, running_seaweedfs

__all__ = ["fake_gcs", "gcs", "moto", "seaweedfs"]

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
def fake_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one server for all tests of a worker; each of them has its own bucket."""
    if find_program() is None:
        reason = "missing: fake-gcs-server, whose wheel is for Linux on x86-64 only"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with running_gcs(tmp_path_factory.mktemp("gcs")) as url:
        yield url


@pytest.fixture
async def gcs(fake_gcs: str) -> AsyncIterator[GCSBackdoor]:
    """A new bucket on that server."""
    async with GCSBackdoor(fake_gcs) as backdoor:
        yield backdoor
