"""The servers as fixtures: one of each for all tests of a worker, each of which has a prefix."""

from collections.abc import Iterator

import pytest

from tests.servers.azurite import Azurite, running_azurite
from tests.servers.gcs import running_gcs
from tests.servers.moto import running_moto
from tests.servers.seaweedfs import S3Server, running_seaweedfs

__all__ = ["azurite", "fake_gcs", "moto", "seaweedfs"]


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An object store that speaks S3."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    """Another one, whose listings are in the order of AWS."""
    with running_moto() as server:
        yield server


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """An emulator of Azure."""
    with running_azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulator of Google's storage."""
    with running_gcs(tmp_path_factory.mktemp("gcs")) as url:
        yield url
