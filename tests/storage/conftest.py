"""Every test here runs over both drivers, and over one that is flat as object stores are."""

from pathlib import Path

import pytest

from core.drivers import CheckedDriver, MemoryDriver, StorageDriver, create_driver
from core.storage import Registry, Repository
from tests.storage.pushing import R

__all__ = ["FlatDriver"]


class FlatDriver(MemoryDriver):
    """What is done differently where a move is a copy, without a server."""

    flat = True
    questions_at_once = 16


@pytest.fixture(params=["memory", "filesystem", "flat"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    if request.param == "memory":
        return create_driver("memory", {})
    if request.param == "flat":
        return CheckedDriver(FlatDriver())
    # What syncs are for is tested with the driver.
    return create_driver("filesystem", {"root": tmp_path / "root", "durability": "relaxed"})


@pytest.fixture
def registry(driver: StorageDriver) -> Registry:
    return Registry(driver)


@pytest.fixture
def repository(registry: Registry) -> Repository:
    return registry.repository(R)
