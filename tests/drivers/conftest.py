"""The servers that drivers are tested on, and how their tests report."""

from collections.abc import Iterator

import pytest

from tests.servers.moto import running_moto
from tests.servers.seaweedfs import S3Server, running_seaweedfs

__all__ = ["moto", "seaweedfs"]

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
